"""Metrics: one file a family, found by :mod:`jsddpm_eval.metrics.registry`."""
