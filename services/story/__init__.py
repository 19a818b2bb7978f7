"""story: the tray above the feed and what is in it."""
