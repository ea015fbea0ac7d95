"""Know the machine: what it is, what it does to latency, what its processes did."""
