"""The embedded rules: our own, one file per family of attacks."""
