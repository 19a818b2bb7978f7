"""The console: pages on loopback that show the edge at work, and may break it for a while."""
