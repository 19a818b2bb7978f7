"""Tests of l4."""
