"""The book: the arena and its tables of orders, levels, ids and expiries."""
