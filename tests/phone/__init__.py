"""Tests of phone."""
