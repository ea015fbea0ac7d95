"""What the tests of matcher random in several tiers share."""

from openoutcry.wire import (
    OrderType,
)
from openoutcry.wire.enums import SELF_TRADE_SHIFT
from tests.support.matcher.matcher_mixed import TIMES_ALLOWED

GOOD_TIMES = [(t, f | mode << SELF_TRADE_SHIFT) for t in OrderType for f in TIMES_ALLOWED[t]
              for mode in range(5)]  # fmt: skip
