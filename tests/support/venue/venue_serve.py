"""What the tests of venue serve in several tiers share."""

from openoutcry.wire.enums import Phase

SCHEDULE = (Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.CLOSING_AUCTION, Phase.CLOSED)
DAY_PHASES = [(symbol, phase) for phase in SCHEDULE for symbol in ("GOLD", "TIN")]
