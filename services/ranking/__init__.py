"""ranking: what is worth seeing first, and why."""
