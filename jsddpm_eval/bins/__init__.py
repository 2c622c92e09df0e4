"""What a z-range and a number of bins mean, and what a store holds of each."""
