"""Tests of supervise."""
