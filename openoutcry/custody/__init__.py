"""Keep a venue's assets on real chains: deposits, withdrawals, keys that no process can take."""
