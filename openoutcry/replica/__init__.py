"""The journal on other machines: replicated blocks, hot standby, failover, the copy to files."""
