"""Check whether a generated set was imported wrongly: turned, inverted, scaled, out of order, or with misplaced masks.

No generator turns every slice; an import does. Each module looks at one kind of fault and compares a reading of every
generated slice with that of real slices of the same conditions, patient by patient.
"""
