"""Which messages count, and that everybody comes to the same."""

import pytest

from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.message import GENESIS, NO_CHECK, Blocks, Kind, Message
from tests.support.replica.simulated_stream import simulated_seal

JOURNAL = 7


def message(tip, kind=Kind.BLOCKS, *, epoch=None, attempt=None, **changes):
    """The message that extends ``tip``, changed."""
    nothing = Blocks.none(tip.next_block, tip.block_hash, tip.last_seq)
    one = Blocks(
        tip.next_block,
        tip.next_block + 1,
        tip.block_hash,
        tip.next_block + 100,
        tip.last_seq + 1,
        (tip.last_seq + 1,),
    )
    plain = Message(
        kind,
        tip.epoch if epoch is None else epoch,
        tip.attempt if attempt is None else attempt,
        tip.position + 1,
        tip.live_position,
        tip.hash,
        JOURNAL,
        one if kind == Kind.BLOCKS else nothing,
        NO_CHECK,
        b"",
        None,
    )
    return simulated_seal(plain._replace(**changes))


def led(tip=None, epoch=1):
    """The tip behind the epoch message of ``epoch``."""
    tip = tip or Tip()
    return extended(tip, message(tip, Kind.EPOCH, epoch=epoch, attempt=0))


def test_an_epoch_message_and_then_blocks_are_live():
    tip = Tip()
    first = message(tip, Kind.EPOCH, epoch=1)
    assert judge(tip, first) == Verdict.LIVE
    tip = extended(tip, first)
    assert judge(tip, message(tip)) == Verdict.LIVE


def test_blocks_need_an_epoch_message_before_them():
    assert judge(Tip(), message(Tip(), epoch=1)) == Verdict.BROKEN


def test_a_late_message_of_a_window_is_dead_after_anothers_epoch_message():
    old = led()
    lost = message(old)
    late = message(extended(old, lost))
    new = led(old, epoch=2)
    assert late.position == new.position + 1, "its number is right, and the stream takes it"
    assert judge(new, late) == Verdict.DEAD
    after = passed(new, late.position)
    assert judge(after, message(after)) == Verdict.LIVE, "the chain goes on behind it"


def test_what_was_sent_before_an_attempt_is_dead():
    tip = led()
    window = [message(tip)]
    window.append(message(extended(tip, window[0])))
    window.append(message(extended(extended(tip, window[0]), window[1])))
    dead = passed(tip, tip.position + 1)
    again = message(dead, attempt=1)
    tip = extended(dead, again)
    assert window[2].previous_position == tip.live_position
    assert judge(tip, window[2]) == Verdict.DEAD


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"previous": GENESIS}, Verdict.BROKEN),
        ({"journal_id": 8}, Verdict.FOREIGN),
        ({"position": 9}, Verdict.AHEAD),
        ({"position": 1}, Verdict.OLD),
        ({"previous_position": 0}, Verdict.BROKEN),
    ],
)
def test_what_the_stream_cannot_hold_is_named(changes, verdict):
    tip = led()
    assert judge(tip, message(tip, **changes)) == verdict


def test_blocks_that_do_not_follow_are_damage():
    tip = led()
    one = message(tip)
    skipped = one._replace(blocks=one.blocks._replace(first_block=1, next_block=2))
    assert judge(tip, skipped) == Verdict.BROKEN


def test_an_epoch_that_is_not_newer_is_dead():
    tip = led(epoch=2)
    assert judge(tip, message(tip, Kind.EPOCH, epoch=2)) == Verdict.DEAD


def test_nothing_follows_a_seal_but_an_epoch_message():
    tip = led()
    tip = extended(tip, message(tip, Kind.SEAL))
    assert tip.sealed
    assert judge(tip, message(tip)) == Verdict.BROKEN
    assert judge(tip, message(tip, Kind.EPOCH, epoch=2)) == Verdict.LIVE
