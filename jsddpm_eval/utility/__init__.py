"""Utility of generated samples: segmentation networks trained on them and tested on held-out patients."""
