"""What an evaluation leaves: scores with their context, findings, tables. Torch-free."""
