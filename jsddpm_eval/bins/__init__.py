"""Utilization of bins by a z-range, and slices and patients of a store in each bin."""
