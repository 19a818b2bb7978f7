"""Tests of services.media."""
