"""login: who are you, and here is the proof for later."""
