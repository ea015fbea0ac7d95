"""Read and write recorded market data in the formats of others, as one stream of records."""
