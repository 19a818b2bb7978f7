"""Tests of the way to the services."""
