"""A trade off the book of several legs: what each leg's command says in ``time_in_force``."""

MAX_LEGS = 8
"""Legs that one trade has at most."""
SIDE_MASK, LEG_SHIFT = 0xF, 4
"""The side of the one that asked, and how many legs go before this one."""
