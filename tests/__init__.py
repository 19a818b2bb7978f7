"""Tests mirror the sources; see CONTRIBUTING.md."""
