"""Selftest: plant faults into slices of a cohort, evaluate them, and report which faults are found."""
