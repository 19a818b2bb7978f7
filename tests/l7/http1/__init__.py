"""Tests of `edge.l7.http1`."""
