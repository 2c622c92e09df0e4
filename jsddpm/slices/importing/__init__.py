"""Import of slices and volumes of any generator: layouts on disk, reading, and resampling."""
