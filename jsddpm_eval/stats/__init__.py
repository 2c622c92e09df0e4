"""Statistics by patient: jackknife, relabelling, baselines, multiplicity, power."""
