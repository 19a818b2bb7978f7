"""Tests of services.login."""
