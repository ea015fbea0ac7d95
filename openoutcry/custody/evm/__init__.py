"""Custody on an EVM chain: its wallet's contract, deposit addresses, and the account that pays
for gas."""
