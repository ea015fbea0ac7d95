"""Measure, compare and draw: every result in one shape that says how sure it is."""
