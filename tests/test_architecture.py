"""What must hold for every file: size, safety, one writer."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from documented import ROOT, SOURCES, called, nodes

WRITERS = {
    "write_text", "write_bytes", "save", "savefig", "savez", "savez_compressed", "savetxt", "imsave", "tofile", "dump",
    "to_csv", "save_pretrained", "save_file", "copyfile", "copytree",
}  # fmt: skip
BANNED_NAMES = {
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "yaml.load",
    "torch.load",
    "torch.save",
    "np.save",
    "os.system",
}
OWNERS = {"torch.load": "checkpoint.py", "torch.save": "checkpoint.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_and_safe(path):
    assert len(path.read_text().splitlines()) <= 300
    for node in nodes(path):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: assert vanishes under -O"
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        assert name not in BANNED_NAMES or OWNERS.get(name) == path.name, f"line {node.lineno}: {name}"
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert options.get("allow_pickle", "False") == "False", f"line {node.lineno}"
        assert options.get("weights_only", "True") != "False", f"line {node.lineno}"
        assert options.get("shell") != "True", f"line {node.lineno}"
        if name == "Environment":
            assert options.get("autoescape") == "True"
        if name in ("np.load", "numpy.load"):
            assert "allow_pickle" in options
        if name == "torch.load":
            assert options.get("weights_only") == "True"


def writers_in(nodes):
    """Lines that write a file themselves, by calls that take a path or a mode; what is given a stream does not."""
    lines = []
    for node in nodes:
        owner, _, last = called(node).rpartition(".") if isinstance(node, ast.Call) else ("", "", "")
        writes = False
        if owner and last in WRITERS:  # without an owner, write_text is that of files.py
            place = last == "dump" or owner.endswith("torch")  # what is written comes first
            writes = any(ast.unparse(target) != "stream" for target in node.args[place : place + 1])
        elif last == "BufferedWriter":
            writes = True
        elif last.lower().endswith(("open", "file", "fileio")) and not any(k.arg == "fileobj" for k in node.keywords):
            options = [*node.args[:2], *(k.value for k in node.keywords if k.arg == "mode")]
            modes = [o.value for o in options if isinstance(o, ast.Constant) and isinstance(o.value, str)]
            writes = any(re.fullmatch(r"[rwaxbt+]+", mode) and set("wax+") & set(mode) for mode in modes)
        if writes:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    "line",
    [
        'open(path, "w")', 'open(path, mode="ab")', 'path.open("x")', 'open(path, "r+")', 'os.fdopen(handle, "wb")',
        'zipfile.ZipFile(path, "w")', "path.write_text(text)", "path.write_bytes(data)", "figure.savefig(path)",
        "np.savez(path, a=a)", "np.savez_compressed(folder / name)", "net.save_pretrained(folder)",
        "picture.save(path)", "io.BufferedWriter(raw)", 'io.FileIO(handle, "wb")',
        "torch.save(state, path)", "yaml.dump(value, path)", "array.tofile(path)", "frame.to_csv(path)",
        "shutil.copyfile(a, b)",
    ],
)  # fmt: skip
def test_the_scan_sees_what_writes(line):
    assert writers_in(ast.walk(ast.parse(f"def f():\n    {line}\n"))) == [2]


@pytest.mark.parametrize(
    "line",
    [
        'open("wax.txt", "rb")', "open(path)", "atomic_open(path)", "Image.open(path)", "zipfile.ZipFile(path)",
        'gzip.GzipFile(fileobj=stream, mode="wb")',
        "figure.savefig(stream)", "np.savez(stream, a=a)", "torch.save(state, stream)", "yaml.dump(value, stream)",
        "frame.to_csv(index=False)", "safetensors.torch.save(state)", "logger.save()", "write_text(path, text)",
    ],
)  # fmt: skip
def test_the_scan_lets_pass_what_does_not(line):
    assert writers_in(ast.walk(ast.parse(line))) == []


def test_only_files_py_writes_files():
    writers = {path.name for path in SOURCES if writers_in(nodes(path))}
    assert writers == {
        "files.py",
        "app.py",  # the traceback of a bug, into a temporary file
        "standalone.py",  # an exported pipeline saves itself, where there is no jsddpm
    }


@pytest.mark.parametrize("package", ["jsddpm", "jsddpm_eval"])
def test_the_guide_says_what_every_part_owns(package):
    """Modules and folders of the first level stand in the table of CONTRIBUTING.md."""
    rows = re.findall(r"^\| (`.*?) \| ", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    named = {Path(name).name for row in rows if f"`{package}/" in row for name in re.findall("`(.*?)`", row)}
    parts = {p.name for p in (ROOT / package).iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert parts - {"__init__.py"} <= named
