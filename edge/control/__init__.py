"""The hub of the control channel: who lives, what is healthy, which configuration."""
