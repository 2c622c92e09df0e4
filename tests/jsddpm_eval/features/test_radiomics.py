"""Radiomics-like features against SciPy; flat slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.features.extractors import radiomics


def test_first_order_features_agree_with_scipy():
    image = torch.rand((1, 24, 30), generator=torch.Generator().manual_seed(0)).square()
    found = dict(zip(radiomics.COLUMNS, radiomics.extract(image)[0].tolist(), strict=True))
    values = image[image > radiomics.FOREGROUND].double().numpy()
    assert found["skewness"] == pytest.approx(stats.skew(values), rel=1e-5)
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(values), rel=1e-5)
    counts = np.histogram(values, bins=32, range=(0, 1))[0]
    assert found["entropy"] == pytest.approx(stats.entropy(counts), rel=1e-6)
    assert found["q50"] == pytest.approx(np.median(values), rel=1e-6)


def test_features_of_empty_and_flat_slices_are_finite_and_constant_columns_drop_out():
    features = radiomics.extract(torch.stack([torch.zeros(16, 16), torch.full((16, 16), 0.5), torch.rand(16, 16)]))
    assert features.isfinite().all()
    assert features.dtype == torch.float64
    constant = torch.cat([features, torch.ones(3, 1)], dim=1)
    scaled = Standardizer.fit(constant)(constant)
    assert scaled[:, -1].tolist() == [0, 0, 0]
    assert torch.allclose(scaled[:, 1].std(), torch.tensor(1.0, dtype=torch.float64))
