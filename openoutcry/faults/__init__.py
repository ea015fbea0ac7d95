"""Faults on purpose: a venue against which authors test their clients (docs/test-venue.md)."""
