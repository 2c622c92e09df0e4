"""Extractors by name: what they say of themselves, safe loading, what is refused."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from jsddpm.errors import JsddpmError
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.extractors import radiomics, slice_encoder
from jsddpm_eval.features.registry import extractor_names, make_extractors
from jsddpm_eval.features.training import TrainingSlices
from jsddpm_eval.slice_table import SliceTable


def images(count=5, seed=0):
    return torch.rand((count, 24, 20), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def training():
    z = torch.arange(40) % 20
    return SliceTable.from_arrays(
        images(40) * (z / 20)[:, None, None], z_bin=z, pathology=z % 2, patient=torch.arange(40) // 4
    )


TABLE = SliceTable.from_arrays(images(), z_bin=[0] * 5, pathology=[0] * 5, patient=list("abcde"))


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Pooled(nn.Module):
    """Mean and largest value of every channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "pooled.pt"
    torch.jit.script(Pooled()).save(str(path))
    return path


def one(name):
    return make_extractors([name], TABLE, seed=0)[0]


def test_a_torchscript_file_sees_what_was_stated(script):
    plain = one(str(script))
    assert torch.allclose(plain(images()), torch.stack([images().mean((1, 2)), images().amax((1, 2))], 1).double())
    assert plain.describe()["preprocessing"]["range"] == [0, 1]
    wide = one(f"{script}@{checksum(script)}?channels=3&range=-1,1")
    mean = (2 * images().mean((1, 2)) - 1).double()
    assert torch.allclose(wide(images())[:, :3], mean[:, None].expand(-1, 3), atol=1e-6)
    assert plain.weights == wide.weights == checksum(script)
    assert plain.key != wide.key


def test_an_exported_program_needs_its_checksum(tmp_path):
    path = tmp_path / "pooled.pt2"
    batch = torch.export.Dim("batch", min=2, max=64)
    torch.export.save(torch.export.export(Pooled(), (torch.zeros(4, 1, 24, 20),), dynamic_shapes=({0: batch},)), path)
    assert one(f"{path}@{checksum(path)}")(images()).shape == (5, 2)
    with pytest.raises(JsddpmError, match="without its SHA-256"):
        one(str(path))


def test_torch_fidelitys_inception_from_given_weights(tmp_path):
    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, state, *args, **kwargs):  # random weights: the real ones need a network
            return super().load_state_dict(state) if state else None

    torch.manual_seed(0)
    empty, path = tmp_path / "empty.pth", tmp_path / "inception.pth"
    torch.save({}, empty)
    network = Blank("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(empty))
    torch.save(network.state_dict(), path)
    extractor = one(f"inception-v3-compat={path}@{checksum(path)}")
    grey = (images(2) * 255).round().to(torch.uint8)
    expected = network(torch.stack([grey] * 3, 1))[0].double()
    assert torch.allclose(extractor(images(2)), expected, rtol=1e-4, atol=1e-5)
    assert extractor.weights == checksum(path)
    assert extractor.describe()["preprocessing"]["quantisation"] == "8 bits, rounded"
    with pytest.raises(JsddpmError, match="has the SHA-256") as caught:
        one(f"inception-v3-compat={path}@{'0' * 64}")
    assert caught.value.status == 4
    with pytest.raises(JsddpmError, match="without its SHA-256"):
        one(f"inception-v3-compat={path}")
    with pytest.raises(JsddpmError) as caught:
        one(f"inception-v3-compat={path}")
    assert caught.value.fix == f"write inception-v3-compat={path}@SHA256"


HUB = """
import torch
dependencies = ["torch"]

class Mean(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3))

def dinov2_vits14(pretrained=True):
    return Mean()
"""


def test_code_from_the_network_runs_only_where_the_user_fetched_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(JsddpmError, match=r"torch\.hub\.load\('facebookresearch/dinov2'") as caught:
        one("dinov2-vit-s-14")
    assert caught.value.status == 2
    with pytest.raises(JsddpmError, match="'dinov2_vitb14'"):  # as hubconf.py of facebookresearch/dinov2 names it
        one("dinov2-vit-b-14")
    place = tmp_path / "hub" / "facebookresearch_dinov2_main"  # where torch.hub keeps it
    place.mkdir(parents=True)
    (place / "hubconf.py").write_text(HUB)
    found = one("dinov2-vit-s-14")(torch.full((2, 24, 24), 0.485))
    assert found.shape == (2, 3)
    assert float(found[:, 0].abs().max()) < 0.02  # torch-fidelity takes the mean of ImageNet's red channel off
    with pytest.raises(JsddpmError, match="does not take a file of weights"):
        one(f"dinov2-vit-s-14={place}/hubconf.py@{'0' * 64}")


def test_files_that_need_unpickling_are_refused_and_not_run(tmp_path):
    canary = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return canary.touch, ()

    for suffix, name in ((".pt", ""), (".pth", "inception-v3-compat="), (".pt2", "")):
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(pickle.dumps(Payload()))
        with pytest.raises(JsddpmError, match="WEIGHTS") as caught:
            one(f"{name}{path}@{checksum(path)}")
        assert caught.value.status == 4
    torch.save({"a": Payload()}, path)
    with pytest.raises(JsddpmError, match="WEIGHTS"):
        one(f"inception-v3-compat={path}@{checksum(path)}")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inceptionv3", "unknown extractor"),
        ("{script}?channels=2", "option 'channels'"),
        ("{script}?channels=1&channels=3", "option 'channels' is unknown or given twice; fix: give each once"),
        ("{script}?range=0,1&range=0,1", "option 'range' is unknown or given twice; fix: give each once"),
        ("{script}?channels", "option 'channels'"),
        ("{script}?foo", "option 'foo'"),
        ("none.pt", "no such file"),
        ("radiomics radiomics", "twice"),
    ],
)
def test_wrong_names_are_told(script, name, message):
    with pytest.raises(JsddpmError, match=message) as caught:
        make_extractors(name.format(script=script).split(), TABLE, seed=0)
    assert caught.value.status == 2


@pytest.mark.parametrize(
    "bad",
    [images().double(), images() * 255, (images() * 255).to(torch.uint8), images() - 1, images()[None],
     images().masked_fill(images() > 0.5, torch.nan)],
)  # fmt: skip
def test_another_range_or_dtype_is_refused(bad):
    """The peer's FID sees inverted images because bytes met a flag for floats."""
    with pytest.raises(JsddpmError, match="radiomics takes") as caught:
        radiomics.EXTRACTOR(bad)
    assert (caught.value.code, caught.value.status) == ("SLICES", 2)


def raising(batch):
    raise RuntimeError("CUDA out of memory\nsecond line")


@pytest.mark.parametrize(
    ("extract", "message"),
    [
        (lambda x: torch.zeros(5, 2), "gave torch.float32"),
        (lambda x: torch.zeros(4, 2).double(), r"gave torch.float64 \(4, 2\) for 5 slices"),
        (lambda x: torch.zeros(5).double(), r"gave torch.float64 \(5,\)"),
        (lambda x: torch.full((5, 2), torch.nan).double(), "not finite"),
        (raising, r"fails on \(5, 24, 20\) slices \(CUDA out of memory\)"),
        (lambda x: x.numpy().reshape(5, -1).astype(float), "correct the extractor"),
        (lambda x: None, "correct the extractor"),
    ],
)
def test_a_network_at_fault_is_named_and_is_no_bug_of_ours(extract, message):
    """Status 3, bad input: it was a ValueError, which the command reported as a bug of its own."""
    bad = Extractor("mine", extract, {})
    generated = SliceTable.from_arrays(images(2, seed=1), z_bin=[0, 0], pathology=[0, 0])
    for use in (lambda: bad(images()), lambda: evaluate(TABLE, generated, metrics=["kid"], features=[bad])):
        with pytest.raises(JsddpmError, match=message) as caught:
            use()
        assert (caught.value.code, caught.value.status) == ("EXTRACTOR", 3)
        assert "mine" in caught.value.what


def test_a_file_whose_network_does_not_fit_the_slices_is_at_fault(tmp_path):
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(7, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.flatten(1))

    torch.jit.script(Flat()).save(str(tmp_path / "flat.pt"))
    with pytest.raises(JsddpmError, match="flat fails on") as caught:
        one(str(tmp_path / "flat.pt"))(images())
    assert (caught.value.code, caught.value.status) == ("EXTRACTOR", 3)


def test_a_network_of_other_channels_is_told_what_it_raised(tmp_path):
    torch.jit.script(nn.Conv2d(1, 4, 3)).save(str(tmp_path / "grey.pt"))
    with pytest.raises(JsddpmError, match=r"expected input\[5, 3, 24, 20\] to have 1 channels") as caught:
        one(f"{tmp_path / 'grey.pt'}?channels=3")(images())
    assert (caught.value.code, caught.value.status) == ("EXTRACTOR", 3)


def test_a_truncated_program_is_one_line(tmp_path, capfd):
    """torch printed its traceback before."""
    path = tmp_path / "pooled.pt2"
    torch.export.save(torch.export.export(Pooled(), (torch.zeros(4, 1, 24, 20),)), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(JsddpmError, match="WEIGHTS"):
        one(f"{path}@{checksum(path)}")
    assert "Traceback" not in capfd.readouterr().err


def test_the_encoder_is_repeatable_kept_and_knows_position(training, tmp_path):
    slices = TrainingSlices.of(training)
    first, again = (slice_encoder.train(slices, seed=0, folder=tmp_path) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(first(images()), again(images()))
    assert first.key == again.key
    assert first.saw_training
    features = np.c_[first(slices.images).numpy(), np.ones(40)]
    fitted = features @ np.linalg.lstsq(features[:30], slices.z_index[:30].numpy(), rcond=1e-6)[0]
    assert np.abs(fitted[30:] - slices.z_index[30:].numpy()).mean() < 3  # chance is 5
    next(tmp_path.iterdir()).write_bytes(b"no arrays")
    with pytest.raises(JsddpmError, match="NETWORK") as caught:
        slice_encoder.train(slices, seed=0, folder=tmp_path)
    assert caught.value.status == 4


def test_the_encoder_is_made_by_its_name_from_slices_that_are_not_held_out(training):
    made = make_extractors(["slice-encoder"], training, seed=0)[0]
    assert torch.equal(made(images()), slice_encoder.train(TrainingSlices.of(training), seed=0)(images()))
    held = SliceTable.from_arrays(
        images(), z_bin=[0] * 5, pathology=[0] * 5, patient=list("aabbc"), held_out=[True, True, False, False, False]
    )
    assert torch.equal(TrainingSlices.of(held).images, images()[2:])


def test_names_need_no_import():
    assert extractor_names()[:2] == ["radiomics", "slice-encoder"]
