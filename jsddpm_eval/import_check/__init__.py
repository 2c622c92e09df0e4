"""Whether a generated set as a whole was read wrongly: turned, inverted, scaled, out of order, or its masks misplaced.

No generator turns every slice; an import does. Each module looks at one kind of fault and compares a reading of every
generated slice with that of real slices of the same conditions, patient by patient.
"""
