"""Let people and their programs trade: accounts, and an API that existing programs speak."""
