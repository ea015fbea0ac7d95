"""Say what time it is, and how wrong that may be."""
