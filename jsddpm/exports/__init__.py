"""Slice stores as the data sets that other tools open: cases, folds, and one file a format."""
