"""The parent of one tier's processes: starts them, restarts them, drains them."""
