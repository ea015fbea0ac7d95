"""What a message means to a journal that already has blocks: which are new, and where it parted.

A node that led may hold blocks that no quorum ever took.  No client heard of them, and the
chain has others in their place.  They are cut off before anything is appended, at the latest when
another leads.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from openoutcry.replica.message import Message


class Plan(NamedTuple):
    """``cut_at``: the first block of the journal that must go, None if none; ``skip``: how many of
    the message's blocks the journal has already."""

    cut_at: int | None
    skip: int


def plan(held: int, hash_of: Callable[[int], Any], message: Message, hashes: Sequence[Any]) -> Plan:
    """Plan for a journal of ``held`` blocks whose hashes ``hash_of`` gives, and a live message
    whose blocks have these ``hashes``."""
    for skip, block_hash in enumerate(hashes):
        index = message.blocks.first_block + skip
        if index >= held:
            return Plan(None, skip)
        if hash_of(index) != block_hash:
            return Plan(index, skip)
    return Plan(None, len(hashes))
