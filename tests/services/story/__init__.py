"""Tests of services.story."""
