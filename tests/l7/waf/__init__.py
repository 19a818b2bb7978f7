"""Tests of the firewall."""
