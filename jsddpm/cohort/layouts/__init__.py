"""How cohorts lie on disk: one module per layout, each filling a :class:`~jsddpm.cohort.records.Found`."""
