"""feed: the timeline, fanned out and put together under a deadline."""
