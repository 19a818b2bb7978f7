"""The phone: one request seen from the outside, and the waterfall it becomes."""
