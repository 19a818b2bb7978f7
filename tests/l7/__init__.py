"""Tests of l7."""
