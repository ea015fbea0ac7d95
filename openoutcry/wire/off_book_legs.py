"""A trade off the book of several legs, and a bust of two: what each leg's command says in
``time_in_force``."""

MAX_LEGS = 8
"""Legs that one trade has at most."""
SIDE_MASK, LEG_SHIFT = 0xF, 4
"""The side of the one that asked, and how many legs go before this one."""
MAKER_BIT, AUCTION_BIT = 16, 32
"""Of a leg of a bust, next to its side: the flags MAKER and AUCTION of its fill."""
