"""An evaluation is the same whatever the state of its process, and leaves that state as it was."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest
import torch
from torch import nn

import metric_tester as tester
from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.networks import SliceNetwork, fit
from jsddpm_eval.metrics.lesion_detector import LesionNetwork
from jsddpm_eval.metrics.position import ZRegressor
from jsddpm_eval.settled import drawing_from, settled
from jsddpm_eval.torchmetric import BinAwareMetrics
from jsddpm_eval.utility.networks import FAMILIES, build_network

pytestmark = pytest.mark.usefixtures("brief_networks")

ASKED = {"metrics": ["kid", "lesion_seen"], "features": ["slice-encoder"]}


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device():
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


STATES = {
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": default_dtype,
    "meta": lambda: torch.device("meta"),
    "default device": default_device,
}


def state():
    modes = (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"))
    return (*modes, torch.get_default_dtype(), torch.get_default_device().type)


def evaluated(**more):
    return evaluate(tester.table(tester.real_arrays()), tester.table(tester.generated_arrays()), **ASKED, **more)


@pytest.fixture(scope="module")
def plain():
    from brief import brief_training

    with brief_training():
        return evaluated()


@pytest.mark.parametrize("name", STATES)
def test_an_evaluation_is_the_same_in_every_state_and_restores_it(name, plain, tmp_path):
    arrays = [tester.real_arrays(), tester.generated_arrays()]
    with STATES[name]():
        before = state()
        results = evaluate(*map(tester.table, arrays), **ASKED, cache=tmp_path)
        assert state() == before
    assert results == plain
    assert evaluated(cache=tmp_path) == plain  # the networks that it kept are those of any other


def test_evaluations_in_threads_are_the_same_and_use_no_global_draws(plain):
    torch.manual_seed(0)
    expected = torch.rand(2000)
    together, found = Barrier(3), []

    def run():
        together.wait()
        found.append(evaluated())

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    torch.manual_seed(0)
    together.wait()
    drawn = []
    while any(thread.is_alive() for thread in threads) and len(drawn) < len(expected):
        drawn.append(torch.rand(1))
        threads[0].join(0.01)
    for thread in threads:
        thread.join()
    assert torch.equal(torch.cat(drawn), expected[: len(drawn)])
    assert found == [plain, plain]


MAKERS = {
    "slices": lambda: SliceNetwork(2),
    "position": lambda: ZRegressor((0, 9)),
    "lesion": LesionNetwork,
    **{name: lambda name=name: build_network(name, 8) for name in FAMILIES},
}


@pytest.mark.parametrize("name", MAKERS)
def test_weights_are_those_that_torch_draws_by_default(name):
    if name in FAMILIES:
        pytest.importorskip("monai")
    torch.manual_seed(5)
    expected = MAKERS[name]().state_dict()
    before = torch.get_rng_state()
    with drawing_from(torch.Generator().manual_seed(5)):
        found = MAKERS[name]().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_training_is_the_one_that_the_global_generator_gives():
    """The expected values are torch's own: a training as written before, with a global seed."""
    data = torch.rand((9, 4), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(3)
    expected = nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(expected.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=5)
    for _ in range(5):
        rows = torch.randint(9, (32,))
        shifts = torch.randint(-3, 4, (2,)).sum()
        batch = torch.where(torch.rand(32, 1) < 0.5, data[rows].flip(-1), data[rows])
        loss = (expected(batch + 0.1 * torch.randn_like(batch)) - shifts).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    def of(network, rows, draw):
        shifts = torch.randint(-3, 4, (2,), generator=draw).sum()
        batch = torch.where(torch.rand((32, 1), generator=draw) < 0.5, data[rows].flip(-1), data[rows])
        noise = torch.empty_like(batch).normal_(generator=draw)
        return (network(batch + 0.1 * noise) - shifts).square().mean()

    found = fit(lambda: nn.Linear(4, 1), of, 9, steps=5, seed=3)
    assert torch.equal(found.weight, expected.weight)
    assert torch.equal(found.bias, expected.bias)


def test_the_default_type_returns_when_the_last_thread_leaves():
    inside, leave, seen = Barrier(2), Barrier(2), []

    def other():
        with settled():
            inside.wait()
            leave.wait()
            seen.append(torch.get_default_dtype())

    with default_dtype():
        thread = Thread(target=other)
        with settled():
            thread.start()
            inside.wait()
        assert torch.get_default_dtype() == torch.float32  # the other thread still needs it
        leave.wait()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
    assert seen == [torch.float32]


def test_features_have_full_precision_and_no_gradients():
    network = nn.Linear(14, 3)
    extractor = Extractor("linear", lambda images: network(images.mean(1)).double(), {})
    images = tester.real_arrays()["images"]
    expected = (images.mean(1) @ network.weight.T + network.bias).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = extractor(images)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-6)


def test_a_metric_trains_networks_in_inference_mode():
    def computed():
        metric = BinAwareMetrics(ZBinning((0, tester.BINS - 1), tester.BINS), metrics=["lesion_seen", "copied_share"])
        metric.update(**tester.real_arrays(), real=True)
        metric.update(**tester.generated_arrays(), real=False)
        return metric.results(), metric.compute()

    results, scores = computed()
    with torch.inference_mode():
        found = computed()
    assert results["lesion_seen", None, "lesion"].value is not None
    assert found == (results, scores)


def test_the_first_evaluation_of_a_process_leaves_pythons_random_numbers():
    code = (
        "import random; import metric_tester as t; from jsddpm_eval.evaluation import evaluate;"
        "made = t.generated_arrays(); made['z_bin'] *= 2;"  # three bins, so that their order is looked at
        "real, made = t.table(t.real_arrays()), t.table(made); before = random.getstate();"
        "evaluate(real, made, metrics=['kid', 'intensity'], features=['radiomics']);"
        "import sys; assert 'sklearn.kernel_ridge' in sys.modules; assert random.getstate() == before"
    )
    path = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r};"
    subprocess.run([sys.executable, "-c", path + code], check=True, timeout=300)
