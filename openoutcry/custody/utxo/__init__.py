"""Chains of the Bitcoin family: nodes that speak Bitcoin Core's RPC."""
