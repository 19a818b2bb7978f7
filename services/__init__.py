"""The mock services behind the edge: login, feed and its fan-out, story, dm, media."""
