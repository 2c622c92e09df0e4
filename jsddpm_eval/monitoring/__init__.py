"""Judge samples during training with few, cheap scores against validation patients."""
