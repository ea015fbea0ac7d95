"""A venue in one thread of the test."""
