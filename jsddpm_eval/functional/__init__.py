"""Pure mathematics on tensors: no files, no stores, no randomness of its own."""
