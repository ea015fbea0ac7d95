"""How orders trade: taking, budgets, orders that wait, stops, pegs, the cascade, auctions."""
