"""One client does not take all the places of a server of market data."""

import pytest

from openoutcry.market_data.shares import Shares
from openoutcry.wire.peers import address_of

KEPT = []
"""A place that nothing holds is given back when it is collected."""


def taken(shares, peer, count):
    """Places that one peer gets when it asks for so many."""
    held = []
    KEPT.append(held)
    for _ in range(count):
        if shares.has_place(peer):
            held.append(shares.place(peer))
            held[-1].__enter__()
    return held


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_an_address_has_its_share_and_leaves_others_theirs():
    shares = Shares(10, 3)
    first = taken(shares, ("10.0.0.1", 5_000), 20)
    assert len(first) == 3
    assert len(taken(shares, ("10.0.0.1", 5_001), 1)) == 0, "whatever the port"
    assert len(taken(shares, ("10.0.0.2", 5_000), 3)) == 3
    first.pop().__exit__(None, None, None)  # leaves the others held
    assert len(taken(shares, ("10.0.0.1", 5_002), 2)) == 1
    assert len(taken(shares, ("10.0.0.3", 1), 3)) == 3
    assert len(taken(shares, ("10.0.0.4", 1), 3)) == 1, "ten in all"


def test_this_hosts_addresses_have_all_places():
    """A proxy on it stands for all its clients."""
    for here in ("127.0.0.1", "::1"):
        assert len(taken(Shares(10, 3), (here, 1), 20)) == 10


def test_places_are_given_back_also_after_an_error():
    shares = Shares(2, 1)
    with pytest.raises(ZeroDivisionError), shares.place(("10.0.0.1", 1)):
        raise ZeroDivisionError
    assert not shares.taken
    assert shares.has_place(("10.0.0.1", 1))


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("10.0.0.1", 1), "10.0.0.1"),
        (("::ffff:10.0.0.1", 1, 0, 0), "::ffff:10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::9", 1, 0, 0), "2001:db8:1:2::"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::"),
        (("::1", 1, 0, 0), "::1"),
        (None, ""),
        ("", ""),
    ],
)
def test_of_ipv6_a_customers_network_is_one_address(peer, address):
    assert address_of(peer) == address
