"""Feature extractors and the float64 feature table every distance is computed from."""
