"""The chain: which messages of the stream count.  Every reader of the stream comes to the same.

The stream fences a writer by number, not by name.  Of a pipelined window whose first message was
lost, a later one can still be taken after another's epoch message, because the number that it
expects is right by then.  Such a message extends nothing and is dead; so is all of an older epoch,
or of an earlier attempt of the same one.  Dead messages keep their place and are passed over.

A message that claims to extend the very place where the chain ends, and names another message
there, is not a leftover: the stream was rewritten, and no node continues.
"""

from enum import IntEnum
from typing import Any, NamedTuple

from openoutcry.replica.message import GENESIS, Kind, Message


class Tip(NamedTuple):
    """Where the chain ends: in the stream, and in the journal."""

    position: int = 0
    """The last message seen, dead or not."""
    live_position: int = 0
    """The last one that counts."""
    hash: Any = GENESIS
    epoch: int = 0
    attempt: int = 0
    journal_id: int = 0
    next_block: int = 0
    block_hash: Any = GENESIS
    last_seq: int = 0
    sealed: bool = False
    """Its primary has said that it sends nothing more."""


class Verdict(IntEnum):
    """Meaning of a message for a reader whose chain ends at a tip."""

    LIVE = 1
    DEAD = 2
    OLD = 3
    """Seen before."""
    AHEAD = 4
    """Something is missing before it."""
    BROKEN = 5
    FOREIGN = 6


def judge(tip: Tip, message: Message) -> Verdict:
    """Judge the message, ``tip`` being where the chain ends."""
    if message.position <= tip.position:
        return Verdict.OLD
    if message.position != tip.position + 1:
        return Verdict.AHEAD
    if tip.journal_id and message.journal_id != tip.journal_id:
        return Verdict.FOREIGN
    if (message.epoch, message.attempt) < (tip.epoch, tip.attempt):
        return Verdict.DEAD
    if message.previous_position > tip.live_position:
        return Verdict.DEAD
    if message.previous_position != tip.live_position or message.previous != tip.hash:
        return Verdict.BROKEN
    if message.kind == Kind.EPOCH:
        if message.epoch <= tip.epoch:
            return Verdict.DEAD
    elif message.epoch != tip.epoch or tip.sealed:
        return Verdict.BROKEN
    blocks = message.blocks
    if blocks.first_block != tip.next_block or blocks.block_before != tip.block_hash:
        return Verdict.BROKEN
    return Verdict.LIVE


def extended(tip: Tip, message: Message) -> Tip:
    """The tip after a live message."""
    blocks = message.blocks
    return Tip(
        message.position,
        message.position,
        message.hash,
        message.epoch,
        message.attempt,
        message.journal_id,
        blocks.next_block,
        blocks.block_after,
        blocks.last_seq,
        message.kind == Kind.SEAL,
    )


def passed(tip: Tip, position: int) -> Tip:
    """The tip after a dead message."""
    return tip._replace(position=position)
