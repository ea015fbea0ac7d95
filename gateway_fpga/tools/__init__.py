"""Measure the gateway: static report, mutation, coverage, place and route."""
