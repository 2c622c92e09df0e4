"""Slices and volumes of any generator: how they lie on disk (``layouts``), how they are read, and on which grid."""
