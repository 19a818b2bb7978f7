"""ads: what pays for it all; the first thing the feed does without."""
