"""Faults planted in the product, one at a time, to show which tests notice them."""
