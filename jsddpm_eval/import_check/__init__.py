"""Check whether a generated set was imported wrongly: turned, inverted, scaled, out of order, or with misplaced masks.

A generator seldom turns every slice, but an import can. Each module looks for one kind of fault. It computes a number
for every generated slice and compares it with that of real slices of the same conditions, with patients as units.
"""
