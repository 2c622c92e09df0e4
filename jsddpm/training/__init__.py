"""Training: the Lightning module, checkpoints with their binning, and the run that ties them together."""
