"""Tests of services.ads."""
