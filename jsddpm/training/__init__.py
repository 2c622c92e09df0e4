"""Training: the Lightning module, checkpoints with their binning, and runs."""
