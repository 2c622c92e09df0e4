"""Feature extractors by name: one file each, named after the extractor."""
