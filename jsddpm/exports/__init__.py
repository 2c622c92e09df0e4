"""Slice stores as data sets for other tools: cases, folds, and one module per format."""
