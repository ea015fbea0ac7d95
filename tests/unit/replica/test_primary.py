"""The primary's answers to what a stream may say, one by one."""

from openoutcry.replica.actions import MS, Fetch, Lease, Publish, Release, Stopped, Timing
from openoutcry.replica.chain import Tip
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.message import GENESIS, NO_CHECK, Blocks, Kind, Message
from openoutcry.replica.primary import Primary
from tests.support.replica.simulated_stream import simulated_seal

TIMING = Timing(3_000 * MS, 500 * MS, 500 * MS)
LEASE = Lease("a/1", 1, 1)


def leading():
    """A primary in epoch 1 whose lease was asked for at 0."""
    lease_holder = LeaseHolder(Lease("a/1", 1, 0), 1, TIMING)
    lease_holder.write(0, 1)
    lease_holder.written(lease_holder.lease, 2)
    primary = Primary(Tip(1, 1, 11, 1, 0, 7), lease_holder, simulated_seal)
    primary.begin(0)
    return primary


def offered(primary, count):
    """That many blocks, each its own message."""
    messages = []
    for _ in range(count):
        before = primary.offered
        at = before.next_block
        blocks = Blocks(at, at + 1, before.block_after, at + 100, before.last_seq + 1, (at,))
        messages += [a.message for a in primary.offer(1, blocks) if isinstance(a, Publish)]
    return messages


def of(actions, kind):
    return [action for action in actions if isinstance(action, kind)]


def test_acknowledgements_release_in_their_order():
    primary = leading()
    first, second = offered(primary, 2)
    assert primary.acknowledged(2, second) == []
    assert of(primary.acknowledged(2, first), Release) == [Release(2, 3_000 * MS)]


def test_our_own_earlier_try_is_found_and_counts():
    primary = leading()
    (first,) = offered(primary, 1)
    assert primary.refused(2, first, 2) == [Fetch(2)]
    assert of(primary.fetched(3, 2, first), Release) == [Release(1, 3_000 * MS)]


def test_anothers_epoch_message_ends_it():
    primary = leading()
    (first,) = offered(primary, 1)
    primary.refused(2, first, 2)
    other = simulated_seal(
        Message(Kind.EPOCH, 2, 0, 2, 1, 11, 7, Blocks.none(0, GENESIS, 0), NO_CHECK, b"b/1", None)
    )
    actions = primary.fetched(3, 2, other)
    assert of(actions, Release) == [Release(0, 0)]
    assert "another node leads" in of(actions, Stopped)[0].reason
    assert primary.acknowledged(4, first) == []


def test_a_dead_message_moves_the_window_on_under_a_new_attempt_one_by_one():
    primary = leading()
    window = offered(primary, 3)
    primary.refused(2, window[0], 2)
    dead = window[0]._replace(epoch=0, hash=5)
    (again,) = of(primary.fetched(3, 2, dead), Publish)
    assert again.message.position == 3
    assert again.message.attempt == window[0].attempt + 1, "what still flies of the old is dead"
    assert again.message.previous_position == 1
    assert again.message.blocks == window[0].blocks
    rest = of(primary.acknowledged(4, again.message), Publish)
    assert [a.message.blocks for a in rest] == [m.blocks for m in window[1:]]
    assert primary.acknowledged(5, window[1]) == [], "taken at a place where it does not count"


def test_what_is_not_answered_is_sent_again_the_first_alone():
    primary = leading()
    window = offered(primary, 3)
    assert of(primary.tick(100 * MS), Publish) == []
    assert [a.message for a in of(primary.tick(600 * MS), Publish)] == window[:1]


def test_the_lease_counts_from_when_its_renewal_was_sent():
    primary = leading()
    (renewal,) = [a for a in primary.tick(1_500 * MS) if not isinstance(a, Publish)]
    actions = primary.lease_written(2_900 * MS, renewal.lease, 3)
    assert of(actions, Release) == [Release(0, 4_500 * MS)]


def test_a_lease_of_another_stops_it():
    primary = leading()
    actions = primary.lease_seen(10, Lease("b/1", 2, 1), 9)
    assert of(actions, Stopped)[0].reason == "b/1 holds the lease of epoch 2"


def test_an_old_view_of_the_lease_says_nothing():
    primary = leading()
    assert of(primary.lease_seen(10, Lease("b/1", 2, 1), 1), Stopped) == []


def test_giving_up_releases_nothing_more():
    primary = leading()
    (seal,) = of(primary.hand_over(1), Publish)
    assert primary.room == 0
    assert primary.give_up(2) == [], "not before the seal is acknowledged"
    primary.acknowledged(3, seal.message)
    release, write = primary.give_up(4)
    assert release == Release(0, 0)
    assert write.lease.given_up
    assert of(primary.lease_written(5, write.lease, 3), Stopped)[0].reason == "handed over"
