"""Extractors: what they say of themselves, safe loading, memory by content."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from jsddpm.errors import JsddpmError
from jsddpm_eval.features import radiomics, slice_encoder
from jsddpm_eval.features.cache import cached
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.registry import TrainingSlices, make_extractors


def images(count=5, seed=0):
    return torch.rand((count, 24, 20), generator=torch.Generator().manual_seed(seed))


def training():
    z = torch.arange(40) % 20
    pictures = images(40) * (z / 20)[:, None, None]
    return TrainingSlices(pictures, z, z % 2)


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


def one(name, **options):
    return make_extractors([name], training, seed=0, **options)[0]


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
    with pytest.raises(JsddpmError, match="needs its SHA-256"):
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
    with pytest.raises(JsddpmError, match="has SHA-256") as caught:
        one(f"inception-v3-compat={path}@{'0' * 64}")
    assert caught.value.status == 4
    with pytest.raises(JsddpmError, match="needs its SHA-256"):
        one(f"inception-v3-compat={path}")


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
    place = tmp_path / "hub" / "facebookresearch_dinov2_main"  # where torch.hub keeps it
    place.mkdir(parents=True)
    (place / "hubconf.py").write_text(HUB)
    found = one("dinov2-vit-s-14")(torch.full((2, 24, 24), 0.485))
    assert found.shape == (2, 3)
    assert float(found[:, 0].abs().max()) < 0.02  # torch-fidelity takes the mean of ImageNet's red channel off
    with pytest.raises(JsddpmError, match="takes no weights file"):
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
        ("{script}?channels=2", "option channels"),
        ("none.pt", "no such file"),
        ("radiomics radiomics", "twice"),
    ],
)
def test_wrong_names_are_told(script, name, message):
    with pytest.raises(JsddpmError, match=message) as caught:
        make_extractors(name.format(script=script).split(), training, seed=0)
    assert caught.value.status == 2


@pytest.mark.parametrize(
    "bad", [images().double(), images() * 255, (images() * 255).to(torch.uint8), images() - 1, images()[None]]
)
def test_another_range_or_dtype_is_refused(bad):
    """The peer's FID sees inverted images because bytes met a flag for floats."""
    with pytest.raises(ValueError, match="radiomics takes"):
        radiomics.EXTRACTOR(bad)


@pytest.mark.parametrize(
    "features", [torch.zeros(5, 2), torch.zeros(4, 2).double(), torch.full((5, 2), torch.nan).double()]
)
def test_features_that_are_not_a_table_are_refused(features):
    with pytest.raises(ValueError, match="x gave"):
        Extractor("x", lambda _: features, {})(images())


def test_the_encoder_is_repeatable_kept_and_knows_position(tmp_path):
    slices = training()
    first = slice_encoder.make(slices.images, slices.z_index, slices.lesion, seed=0, folder=tmp_path)
    again = slice_encoder.make(slices.images, slices.z_index, slices.lesion, seed=0, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(first(images()), again(images()))
    assert first.key == again.key
    assert first.saw_training
    features = np.c_[first(slices.images).numpy(), np.ones(40)]
    fitted = features @ np.linalg.lstsq(features[:30], slices.z_index[:30].numpy(), rcond=1e-6)[0]
    assert np.abs(fitted[30:] - slices.z_index[30:].numpy()).mean() < 3  # chance is 5
    with pytest.raises(JsddpmError, match="NETWORK"):
        next(tmp_path.iterdir()).write_bytes(b"no arrays")
        slice_encoder.make(slices.images, slices.z_index, slices.lesion, seed=0, folder=tmp_path)


def test_tables_are_kept_by_content(tmp_path):
    calls = []

    def extract(batch):
        calls.append(len(batch))
        return batch.flatten(1).double()

    kept = cached(Extractor("x", extract, {"a": 1}), tmp_path)
    assert torch.equal(kept(images()), kept(images()))
    assert calls == [5]
    changed = images()
    changed[4, 3, 2] = 0.5
    kept(changed)
    cached(Extractor("x", extract, {"a": 2}), tmp_path)(images())
    cached(Extractor("x", extract, {"a": 1}, weights="w"), tmp_path)(images())
    assert len(calls) == len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(JsddpmError, match="FEATURES"):
        kept(images())
