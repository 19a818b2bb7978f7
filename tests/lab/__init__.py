"""Tests of the labs machinery."""
