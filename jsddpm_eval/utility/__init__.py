"""Whether generated samples are useful: segmentation networks trained on them, tested on new patients."""
