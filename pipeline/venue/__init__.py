"""A venue that stays open: its file, its calendar, the exchange operator's lane, its days."""
