"""What a cohort could reveal: planted faults in its own slices, the very evaluation, and what was found."""
