"""Compute what contracts are worth, what they settle to and what margin a portfolio needs."""
