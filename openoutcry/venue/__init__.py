"""Keep a market open: its file, its calendar, the exchange operator's desk, its days."""
