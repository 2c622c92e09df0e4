"""Hostile calls of the command line, drawn from a seed: options, keys, names, headers, and files with other bytes.

:func:`calls` yields them; :class:`Playground` holds what they work on and restores what they spoil.
"""

from __future__ import annotations

import gzip
import random
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calls import call
from conftest import TINY
from contract.case import SMALL, writable_copy
from corruptions import REFUSED
from jsddpm.errors import ExitStatus, printable
from jsddpm_cli.app import command
from synthetic import write_bids

HOSTILE_TEXT = (
    "", "x" * 5000, "\x1b[31mred\x1b[0m", "nan", "../..", "{}", "=cmd()", "None", "\u202egnp", "a\nb", "%s%n", "\udcff",
    "$(id)", "-", "--", "' or 1", "<script>", "\\", "☃", "0",
)  # fmt: skip
HOSTILE_NUMBERS = (
    "-1", "0", "x", "", "1.5", "nan", "inf", "-inf", "9" * 40, "1e400", "1e-320", "0x10", "٣", "1_000", " 1", "true",
    "1,000", "--",
)  # fmt: skip
HOSTILE_PATHS = (
    "{tmp}/none", "", "{tmp}/file", "{tmp}/folder", "/dev/null", "n" * 300, "{tmp}/file/below", "a\nb", "\x1b[31m",
    "\u202egnp", "\udcff", "-", "~", ".", "/", "{tmp}/loop", "{tmp}/folder/" + "d/" * 200 + "x", "{store}/store.json",
    "{run}/config.yaml", "{tmp}/binary",
)  # fmt: skip
NAMES = (
    "plain", "a b  c", "it's", '"quoted"', "-rf", "=1+1", "@x", "\x1b[31mred", "a\nb", "\u202egnp", "ü" * 100,
    "n" * 240, "tab\there", "back\\slash", "semi;colon", "comma,comma", "#hash", "%2e%2e", "..", "CON", "\udcff\udcfe",
    "😀", " lead", "trail ", "<b>", "&amp;", "$(id)", "`id`", "*", "?", "[x]", "{x}", "~root", "0", "007",
)  # fmt: skip
"""Names that a file may have."""


@dataclass
class Playground:
    """Honest inputs, made once, and a folder that every call finds as the one before it did.

    Attributes:
        tmp: The folder.
        store: A real store.
        run: A run on it.
        made: Its samples.
        evaluation: An evaluation of them.
    """

    tmp: Path
    store: Path
    run: Path
    made: Path
    evaluation: Path = field(init=False)

    def __post_init__(self) -> None:
        self.bids = write_bids(self.tmp / "bids")
        (self.tmp / "file").write_text("a file\n")
        (self.tmp / "folder").mkdir()
        (self.tmp / "binary").write_bytes(random.Random(0).randbytes(3000))
        (self.tmp / "loop").symlink_to("loop")
        rows = [f"p{p},{('train', 'val', 'test')[p % 3]}" for p in range(6)]
        (self.tmp / "splits.csv").write_text("patient,split\n" + "\n".join(rows) + "\n")
        np.savez(self.tmp / "slice.npz", image=np.zeros((32, 24)), mask=np.zeros((32, 24)))
        (self.tmp / "slices.csv").write_text("image,mask,z,pathology\nslice.npz,,20,1\n")
        self.evaluation = self.tmp / "evaluation"
        found = call(*self.words("eval", *HONEST["eval",][:-2], "--out", self.evaluation))
        assert found.status == 0, found.err

    def words(self, *words: object) -> list[str]:
        """A command's words, names in braces replaced."""
        names = {"tmp": self.tmp, "store": self.store, "run": self.run, "made": self.made, "bids": self.bids,
                 "evaluation": self.evaluation, "out": self.tmp / "out" / "new"}  # fmt: skip
        filled = [str(word) for word in words]
        for name, value in names.items():
            filled = [word.replace("{" + name + "}", str(value)) for word in filled]
        return filled

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A folder for what a call writes, gone afterwards."""
        out = self.tmp / "out"
        out.mkdir()
        try:
            yield out
        finally:
            shutil.rmtree(out)


@dataclass(frozen=True)
class Call:
    """One hostile call: its family, its words, and what is spoilt before it and mended after it."""

    family: str
    words: tuple[str, ...]
    spoil: Callable[[Path], object] | None = None


HONEST: dict[tuple[str, ...], tuple[object, ...]] = {
    ("cohort", "scan"): ("{bids}", "--jobs", 1),
    ("cohort", "split"): ("{bids}", "--out", "{out}.csv", "--jobs", 1),
    ("cache", "build"): ("{bids}", "--out", "{out}", *SMALL),
    ("cache", "import"): ("{tmp}/slices.csv", "--real", "{store}", "--z-range", 5, 34, "--bins", 5, "--out", "{out}"),
    ("cache", "resplit"): ("{store}", "{tmp}/splits.csv", "--out", "{out}"),
    ("cache", "info"): ("{store}",),
    ("cache", "verify"): ("{store}",),
    ("bins", "report"): ("--z-range", 24, 93),
    ("bins", "sweep"): ("--z-range", 24, 93, "--bins", 5),
    ("sample",): ("{run}", "--out", "{out}", "--per-condition", 1, "--bins", 0, "--pathology", 0),
    ("volumes",): ("--real", "{store}", "--generated", "{made}"),
    ("checkpoint", "info"): ("{run}/checkpoints/last.ckpt",),
    ("checkpoint", "export"): ("{run}/checkpoints/last.ckpt", "{out}"),
    ("checkpoint", "rebin"): ("{run}/checkpoints/last.ckpt", "--z-range", 5, 34, "--bins", 3, "--out", "{out}"),
    ("export",): ("nnunet", "{store}", "--z-range", 12, 13, "--cases", "slices", "--out", "{out}"),
    ("card",): ("{evaluation}", "--out", "{out}"),
    ("report",): ("{evaluation}", "--out", "{out}.md"),
    ("compare",): ("{evaluation}", "{evaluation}/results.json"),
    ("eval",): ("--real", "{store}", "--generated", "{made}", "--bin-aware", "--metrics", "kid", "--features",
                "radiomics", "--feature-cache", "{tmp}/features", "--out", "{out}"),
    ("utility",): ("{store}", "--out", "{out}", "--preset", "quick", "--steps", 1, "--seeds", 1, "--folds", 2, "--arm",
                   "real", "--arm", "real+classical", "--z-range", 5, 34, "--bins", 2, "--jobs", 1),
    ("train",): ("--preset", "demo", "--store", "{store}", "--out", "{out}", *(w for s in TINY for w in ("--set", s)),
                 "--set", "logging.grid=0", "--set", "trainer.max_steps=1", "--set", "trainer.check_every=1"),
}  # fmt: skip
"""Quick honest words of a command; every other command is called with hostile words alone."""

STATUSES = {0, *(int(status) for status in ExitStatus)}

SLOW = {("demo",), ("cohort", "phantom")}
"""Commands that take minutes whatever they are given."""


def commands() -> dict[tuple[str, ...], Any]:
    """Every command of the application by its words."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield words, command
        else:
            for name in inner:
                yield from below(inner[name], (*words, name))

    return dict(below(command(), ()))


def calls(playground: Playground, seed: int, count: int, families: tuple[str, ...] = ()) -> Iterator[Call]:
    """Hostile calls, family after family in turn.

    Args:
        playground: What they work on.
        seed: Seed of what is drawn.
        count: How many.
        families: Which families of :data:`FAMILIES`, in turn; :data:`MIXTURE` when empty.
    """
    rng = random.Random(seed)
    chosen = families or MIXTURE
    for number in range(count):
        yield FAMILIES[chosen[number % len(chosen)]](playground, rng)


def _hostile_value(parameter: Any, rng: random.Random) -> str:
    kind = str(getattr(parameter, "type", None) or parameter.type_descriptor.annotation).lower()
    if "int" in kind or "float" in kind:
        return rng.choice(HOSTILE_NUMBERS)
    if "path" in kind:
        return rng.choice(HOSTILE_PATHS)
    return rng.choice((*HOSTILE_TEXT, *HOSTILE_NUMBERS[:4]))


def an_option(playground: Playground, rng: random.Random) -> Call:
    """One option or argument of a command given a hostile value, left out, or misspelt."""
    table = {words: command for words, command in commands().items() if words not in SLOW}
    words, command = rng.choice(sorted(table.items(), key=lambda item: item[0]))
    honest = [str(word) for word in HONEST.get(words, ())]
    parameter = rng.choice([p for p in command.params if p.name != "help"])
    value = [_hostile_value(parameter, rng) for _ in range(max(1, parameter.nargs))]
    change = rng.random()
    if parameter.param_type_name == "argument":
        given = [*value, *honest[1:]] if honest and not honest[0].startswith("-") else [*value, *honest]
    elif change < 0.1:
        given = [*honest, parameter.opts[0][:-1] + "xy", *value]
    elif change < 0.2 and honest:
        place = rng.randrange(len(honest))
        given = honest[:place] + honest[place + 1 :]
    else:
        given = [*honest, parameter.opts[0], *([] if getattr(parameter, "is_flag", False) else value)]
    return Call("option", tuple(playground.words(*words, *given)))


def a_key(playground: Playground, rng: random.Random) -> Call:
    """One key of the configuration given a value it does not take, or any other."""
    key = rng.choice(sorted(REFUSED))
    anything = (
        "[" * 3000,
        "9" * 5000,
        "{a: 1}",
        "!!python/object:os.system x",
        "&a [*a]",
        "\x00",
        "\x1b[31m",
        "1e-320",
    )
    value = rng.choice((*REFUSED[key], *anything))
    words = ("train", *HONEST["train",], "--dry-run", "--set", f"{key}={value}")
    return Call("key", tuple(playground.words(*words)))


def a_name(playground: Playground, rng: random.Random) -> Call:
    """A file, a patient, a folder or an output of a hostile name."""
    name, way = rng.choice(NAMES), rng.randrange(4)
    if way == 0:
        quoted = name.replace('"', '""')
        files = [f"{playground.bids}/sub-00/anat/sub-00_{part}.nii.gz" for part in ("FLAIR", "FLAIR_roi")]
        text = f'image,mask,patient\n{files[0]},{files[1]},"{quoted}"\n'

        def spoil(out: Path) -> None:
            (out / "cohort.csv").write_bytes(text.encode(errors="surrogateescape"))

        return Call("name", tuple(playground.words("cohort", "scan", "{tmp}/out/cohort.csv", "--read", "--jobs", 1,
                                                   "--out", "{out}.csv")), spoil)  # fmt: skip
    if way == 1:
        return Call("name", tuple(playground.words("cache", "resplit", "{store}", "{tmp}/splits.csv", "--out",
                                                   f"{{tmp}}/out/{name}")))  # fmt: skip
    if way == 2:

        def store(out: Path) -> None:
            if name not in ("..", "*"):
                shutil.copytree(playground.store, out / name)

        return Call("name", tuple(playground.words("cache", "info", f"{{tmp}}/out/{name}")), store)

    def tree(out: Path) -> None:
        subject = "sub-" + name.replace("/", "")
        folder = out / "tree" / subject / "anat"
        folder.mkdir(parents=True)
        for part in ("FLAIR", "FLAIR_roi"):
            source = playground.bids / "sub-00" / "anat" / f"sub-00_{part}.nii.gz"
            shutil.copy(source, folder / f"{subject[:200]}_{part}.nii.gz")

    return Call("name", tuple(playground.words("cohort", "scan", "{tmp}/out/tree")), tree)


def a_header(playground: Playground, rng: random.Random) -> Call:
    """One to four bytes of a NIfTI header replaced, in the image or in both files; scanned or built."""
    edits = [(rng.randrange(348), rng.randrange(256)) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.4:  # a float of the affine, or a dimension
        place, layout = rng.choice([(280 + 4 * k, "<f") for k in range(12)] + [(40 + 2 * k, "<h") for k in range(8)])
        value = rng.choice([0, -1, 7, 1e30, -1e-30]) if layout == "<f" else rng.choice([0, -1, 7, 32767, 1])
        edits = list(zip(range(place, place + 4), struct.pack(layout, value), strict=False))
    both = rng.random() < 0.5

    built = rng.random() < 0.3

    def spoil(out: Path) -> None:
        for subject in sorted(playground.bids.glob("sub-*"))[: None if built else 1]:
            shutil.copytree(subject, out / "tree" / subject.name)
        for part in ("FLAIR", "FLAIR_roi")[: 1 + both]:
            path = out / "tree" / "sub-00" / "anat" / f"sub-00_{part}.nii.gz"
            raw = bytearray(gzip.decompress(path.read_bytes()))
            for where, byte in edits:
                raw[where] = byte
            path.write_bytes(gzip.compress(bytes(raw), 1))

    read = ("cohort", "scan", "{tmp}/out/tree", "--read", "--jobs", 1)
    build = ("cache", "build", "{tmp}/out/tree", "--out", "{out}", *SMALL)
    return Call("header", tuple(playground.words(*(build if built else read))), spoil)


SPOILT: dict[str, tuple[str, tuple[tuple[object, ...], ...]]] = {
    "store": ("{store}", (("cache", "info", "{tmp}/out/it"), ("cache", "verify", "{tmp}/out/it"),
                          ("bins", "report", "--z-range", 5, 34, "--bins", 5, "--store", "{tmp}/out/it"))),
    "run": ("{run}", (("checkpoint", "info", "{tmp}/out/it/checkpoints/last.ckpt"), ("report", "{tmp}/out/it"),
                      ("sample", "{tmp}/out/it", "--out", "{out}", "--per-condition", 1, "--bins", 0, "--pathology", 0),
                      ("train", "--resume", "--store", "{store}", "--out", "{tmp}/out/it"))),
    "evaluation": ("{evaluation}", (("report", "{tmp}/out/it"), ("compare", "{evaluation}", "{tmp}/out/it"),
                                    ("report", "{tmp}/out/it", "--out", "{out}.tex"))),
    "cohort": ("{bids}", (("cohort", "scan", "{tmp}/out/it", "--read", "--jobs", 1),
                          ("cohort", "scan", "{tmp}/out/it"))),
}  # fmt: skip
"""Folders whose files are spoilt, and the commands that read them."""


def some_bytes(playground: Playground, rng: random.Random) -> Call:
    """A file of a store, a run, an evaluation or a cohort: bits flipped, cut short, emptied, or another's content."""
    kind = rng.choice(sorted(SPOILT))
    source, commands = SPOILT[kind]
    (folder,) = playground.words(source)
    files = sorted(p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file())
    name, how, seed = rng.choice(files), rng.randrange(5), rng.random()

    def spoil(out: Path) -> None:
        path = writable_copy(Path(folder), out / "it") / name
        path.write_bytes(_spoilt(path.read_bytes(), how, random.Random(seed)))

    return Call("bytes", tuple(playground.words(*rng.choice(commands))), spoil)


def _spoilt(raw: bytes, how: int, rng: random.Random) -> bytes:
    if how == 0 or not raw:
        return rng.choice((b"", b"\0" * 100, b"{}", b"[]", b"nan", b"a,b\n1,2\n"))
    if how == 1:
        return raw[: rng.randrange(len(raw))]
    changed = bytearray(raw)
    for _ in range(1 if how < 4 else 20):
        changed[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(changed)


FAMILIES: dict[str, Callable[[Playground, random.Random], Call]] = {
    "option": an_option, "key": a_key, "name": a_name, "header": a_header, "bytes": some_bytes,
}  # fmt: skip


MIXTURE = ("option", "name", "header", "bytes") * 2 + ("key",)
"""Keys have a fuzz of their own, and each call of theirs takes the time of a training step."""


@dataclass(frozen=True)
class Outcome:
    """What a call came to.

    Attributes:
        family: Family of the call.
        status: Exit status, or a word where there is none.
        faults: What no call may do, with its words.
    """

    family: str
    status: str
    faults: tuple[str, ...] = ()


class Late(BaseException):
    """A call was stopped."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Stop the block after so many seconds of this process's work: a busy machine stops nothing."""

    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attempt(playground: Playground, hostile: Call, *, seconds: float = 20.0) -> Outcome:
    """Make a call: it may end with a status of ours and, where it refuses, with one typed line."""
    said = printable(" ".join(hostile.words))[-300:]
    with playground.fresh() as out:
        try:
            if hostile.spoil is not None:
                hostile.spoil(out)
        except (OSError, ValueError):
            return Outcome(hostile.family, "a name no file can have")
        try:
            with alarm(seconds):
                found = call(*hostile.words)
        except Late:
            return Outcome(hostile.family, "late", (f"stopped after {seconds:.0f} s of work: {said}",))
    lines = [line for line in found.err.splitlines() if "error[" in line]
    refused = found.status in (2, 3, 4, 5, 6)
    wrong = {
        "a bug": found.status == ExitStatus.INTERNAL or "Traceback" in found.err,
        "no status of ours": found.status not in STATUSES,
        "a refusal without its line": refused and not lines and "damaged" not in found.err,
        "a line without its cure": any("; fix: " not in line for line in lines),
        "escapes": "\x1b" in found.err + found.out,
    }
    faults = tuple(f"{what} ({found.status}): {said}: {lines[:1]}" for what, is_so in wrong.items() if is_so)
    return Outcome(hostile.family, str(found.status), faults)
