"""What the tests of results in several tiers share."""

OURS = [100.0, 110.0, 90.0, 105.0, 95.0]
PEER = [200.0, 220.0, 180.0, 210.0, 190.0]
