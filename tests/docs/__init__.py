"""Tests of the documents that are more than words."""
