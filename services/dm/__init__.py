"""dm: direct messages that survive kill -9, and a WebSocket that pushes them."""
