"""Tests of services.recommend."""
