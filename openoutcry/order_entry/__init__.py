"""Take orders from participants over the protocols that real software speaks, and answer them."""
