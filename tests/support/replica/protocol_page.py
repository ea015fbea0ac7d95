"""What the tests of protocol page in several tiers share."""

PAGE = "replication-protocol.md"
