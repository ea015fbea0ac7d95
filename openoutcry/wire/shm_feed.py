"""The feed in shared memory: the messages of the lines, one a slot, for the host's readers.

::

    header, 4,096 bytes | 65,536 slots of 64 bytes    the feed's process writes, readers read

A slot holds a message after its length, and last its stamp: the session's number above the
message's.  The writer waits for no reader: the message 65,536 later takes the same slot, and a
reader that is that late finds another stamp there.  While a slot is written its stamp
is 0.  A reader copies it between two looks at the stamp, so what it took is whole.
"""

from openoutcry.wire.big_endian import load_any64, load_be16, store_any64
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50, MOLD_SESSION_BYTES
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Layout, SharedWord, area, i64

HEADER_BYTES, SLOT_BYTES, SLOTS = 4096, 64, 1 << 16
MESSAGE_BYTES = SLOT_BYTES - 8
"""Maximum size of a message with its length."""
FEED_BYTES = HEADER_BYTES + SLOTS * SLOT_BYTES
SESSION_SHIFT = 40
NUMBER_MASK = (1 << SESSION_SHIFT) - 1
MAGIC = int.from_bytes(b"OUTCRYMF", "little")
assert FRAME_BYTES + max(one.size_bytes for one in ITCH50.server) <= MESSAGE_BYTES


class ShmFeedHeader(Layout, size_bytes=4096):
    """Header of the feed's segment, which the feed's process writes."""

    magic: int = i64("FEED_MAGIC")
    slots: int = i64("slots that there are")
    session: int = i64("number of the session of the next message", at=64, atomic=True)
    name: int = area(16, "its name, ten characters, padded with NUL")
    before: int = i64("messages of the session before, all of which are sent")
    base: int = i64("messages of all sessions before it: its number 1 is in slot ``base``, masked")
    head: int = i64("stamp of the last message that was written", at=128, atomic=True)
    alive_ns: int = i64("CLOCK_MONOTONIC when the writer last looked at it", at=192, atomic=True)
    over: int = i64("1: the run is over, and nothing more comes", atomic=True)


class ShmFeedSlot(Layout, size_bytes=64):
    """A slot of the feed's segment."""

    message: int = area(MESSAGE_BYTES, "the message, after its length (u16, big-endian)")
    stamp: int = i64(
        "the session's number, 40 bits up, and the message's; 0: it is being written", atomic=True
    )


OVERRUN, WAITS, NEXT_SESSION = -1, 0, -2
"""Results for a reader in place of messages: they are overwritten; they are not there yet; their
session has no more."""


@kernel
def slot_at(feed: ShmFeedHeader, base: int, stamp: int) -> ShmFeedSlot:
    """The slot of a message; ``base``: its session's."""
    place = base + (stamp & NUMBER_MASK) - 1 & SLOTS - 1
    return ShmFeedSlot(feed + HEADER_BYTES + SLOT_BYTES * place)


@kernel
def put_messages(feed: ShmFeedHeader, begin: int, end: int, stamp: int) -> int:
    """Write the messages from ``begin`` to ``end``, each after its length; the first has ``stamp``.
    Return the stamp after the last.  56 bytes may be read from the last one on."""
    at, base = begin, feed.base
    while at < end:
        slot = slot_at(feed, base, stamp)
        slot.stamp = 0
        for place in range(0, MESSAGE_BYTES, 8):
            SharedWord(slot + place).value = load_any64(at + place)
        slot.stamp = stamp
        at += FRAME_BYTES + load_be16(at)
        stamp += 1
    feed.head = stamp - 1
    return stamp


@kernel
def read_messages(feed: ShmFeedHeader, base: int, stamp: int, out: int, room: int) -> int:
    """Copy messages from ``stamp`` on to ``out``; their bytes, or OVERRUN, WAITS, NEXT_SESSION.
    ``base``: of their session; the next session's is greater by ``before``.

    Each needs MESSAGE_BYTES of room while it is copied, and takes what its length says."""
    used = 0
    while used + MESSAGE_BYTES <= room:
        slot = slot_at(feed, base, stamp)
        if slot.stamp != stamp:
            break
        for place in range(0, MESSAGE_BYTES, 8):
            store_any64(out + used + place, SharedWord(slot + place).value)
        if slot.stamp != stamp:
            break
        used += min(FRAME_BYTES + load_be16(out + used), MESSAGE_BYTES)
        stamp += 1
    if used > 0:
        return used
    return nothing_at(feed, base, stamp)


@kernel
def nothing_at(feed: ShmFeedHeader, base: int, stamp: int) -> int:
    """Return why there is no message of this stamp."""
    head, session = feed.head, feed.session
    mine, number = stamp >> SESSION_SHIFT, stamp & NUMBER_MASK
    if session > mine:
        is_done = session == mine + 1 and number == feed.before + 1
        return NEXT_SESSION if is_done else OVERRUN
    if head >> SESSION_SHIFT == mine and head & NUMBER_MASK >= number:
        # It was there before; or the writer is past it in this very moment.
        return OVERRUN if slot_at(feed, base, stamp).stamp != stamp else WAITS
    return WAITS


def store_name(address: int, name: str) -> None:
    """Write a session's name to its place in the header."""
    for place, byte in enumerate(name.encode().ljust(16, b"\0")):
        Bytes(address)[place] = byte


def name_of(header: ShmFeedHeader) -> str:
    """The session's name."""
    data = bytes(Bytes(header.name)[place] for place in range(MOLD_SESSION_BYTES))
    return data.decode("latin-1")
