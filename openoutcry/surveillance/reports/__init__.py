"""Reports to regulators, each with its schema: order records, transactions, ratios, emergencies."""
