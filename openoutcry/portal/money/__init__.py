"""Deposits and withdrawals of people: asked for here, decided by the venue's operator and core."""
