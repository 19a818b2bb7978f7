"""The benchmark's own parts: what a figure means has to be right before it is small."""
