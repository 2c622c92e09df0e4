"""The benchmark of accelerators, on a CPU: all kinds of work, in the ways that need no compiler and no GPU."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

accelerator = import_module("benchmarks.accelerator")


def test_every_kind_of_work_is_measured(monkeypatch):
    monkeypatch.setattr(accelerator, "VARIANTS", accelerator.VARIANTS[:2])
    found = list(accelerator.rows(torch.device("cpu"), quick=True))
    assert [(r["work"], r["variant"]) for r in found] == [
        ("training", "float32"), ("training", "bfloat16"), ("sampling", "float32"), ("sampling", "bfloat16"),
    ]  # fmt: skip
    assert all(r["slices_per_s"] == pytest.approx(1e3 * r["batch"] / r["ms"]) for r in found)
    assert all(0 < r["of_peak"] < 2 for r in found)
    assert accelerator.table(found, "a CPU").count("\n| real64 |") == 4


def test_operations_are_those_of_a_convolution():
    """A 1 x 1 convolution of 2 to 3 channels on 4 x 5 pixels: 2 * 2 * 3 operations a pixel."""
    work = accelerator.Work("real64", accelerator.VARIANTS[0], 1, torch.device("cpu"))
    work.network, work.inputs = torch.nn.Conv2d(2, 3, 1), (torch.zeros(1, 2, 4, 5),)
    assert work.operations() == 2 * 2 * 3 * 20
