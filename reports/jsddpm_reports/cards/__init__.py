"""Cards, methods and checklists of an evaluation; whatever is not known says so, with its reason."""
