"""Which work is compared, among whom, and what does each row prove?

Each row is a function of a `Bench`: it starts its contenders, lets them take turns,
and returns a `Row`.
"""
