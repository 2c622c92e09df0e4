"""From NIfTI files to arrays: validated reading, sources, preprocessing, splits and the demo cohort."""
