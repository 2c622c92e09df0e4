"""Feature extractors and the float64 features from which all distances are computed."""
