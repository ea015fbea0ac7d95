"""What stands where: the arena and its tables of orders, levels, ids and expiries."""
