"""Faults of generators, one file a family, found by :mod:`jsddpm_eval.selftest.fault`."""
