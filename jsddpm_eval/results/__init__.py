"""Results of an evaluation: scores with their context, findings, tables. Torch-free."""
