"""How orders trade: taking, stops, pegs, the cascade after a trade, auctions."""
