"""recommend: people you may know."""
