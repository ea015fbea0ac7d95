"""The store gives every message again by its number; the retransmission server answers what it may,
and nobody makes it do more."""

import pytest

from openoutcry.market_data.spec import FeedSpec
from openoutcry.wire.errors import FeedError


def test_addresses_of_one_family_and_a_frame_that_holds_a_message():
    with pytest.raises(FeedError, match="mix IPv4 and IPv6"):
        FeedSpec(("239.1.1.1", 1), ("ff02::1", 1))
    with pytest.raises(FeedError, match="an MTU of 150 bytes leaves 122 for a packet"):
        FeedSpec(("239.1.1.1", 1), mtu=150)
    assert FeedSpec(("ff02::1", 1)).room == 1452
