"""The slice store: one format for real and generated slices, and the datasets that read it."""
