"""The same matcher in plain Python: slow, and plainly right."""
