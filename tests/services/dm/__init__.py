"""Tests of services.dm."""
