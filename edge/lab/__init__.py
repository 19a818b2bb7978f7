"""Labs: a question, an edge of its own, load, faults, and an honest verdict."""
