"""toynext: the next release of toy, for the lab about canaries."""
