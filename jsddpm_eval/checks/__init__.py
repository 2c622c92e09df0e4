"""What the verdict rests on: one file a fault, found by :mod:`jsddpm_eval.checks.verdict`. Torch-free."""
