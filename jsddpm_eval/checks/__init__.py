"""The checks of the verdict: one module per fault, found by :mod:`jsddpm_eval.checks.verdict`. Torch-free."""
