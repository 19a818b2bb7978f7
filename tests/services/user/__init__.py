"""Tests of services.user."""
