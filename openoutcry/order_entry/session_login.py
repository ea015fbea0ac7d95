"""A SoupBinTCP login that the acceptor accepted: the message at which the stream continues.

A hand-over's words are the acceptor's (order_entry/acceptor.py); bytes that came with the login
follow them.
"""

from openoutcry.order_entry import apply, session_commands, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import stream as stream_store
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.wire import sockets
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import load_i64

HAND_INDEX, HAND_SEQUENCE, HAND_REPLY, HAND_REPLY_AT, HAND_BYTES = 0, 8, 16, 24, 512
HAND_SOURCE, HAND_MAX = 32, 4096
REFUSED_LOGIN = tuple(soupbin.login_rejected("S"))


@kernel
def is_beyond(session: SessionBlock, wanted: int) -> bool:
    """Return whether no message of the stream has this number, nor will the next one have it."""
    return wanted > StreamHeader(session.stream).head + 1


@kernel_outlined
def refuse_number(session: int, data: int, fd: int) -> None:
    """The login asks to continue a stream that is not the current one. ``session``: address of its
    block; ``data``: of room for the answer, which is sent to ``fd``."""
    for place in range(len(REFUSED_LOGIN)):
        Bytes(data)[place] = REFUSED_LOGIN[place]
    sockets.send(fd, data, len(REFUSED_LOGIN))
    sockets.close(fd)
    apply.add(session + session_block.FAULTS, 1)
    # The acceptor sees that the login which it handed over is over.
    apply.add(session + session_block.GENERATION, 1)


@kernel_outlined
def accept(session: SessionBlock, data: int) -> None:
    """Answer a SoupBinTCP login, and resume from the number that it asks for. ``data``: address of
    what the acceptor handed over."""
    stream = StreamHeader(session.stream)
    count = stream.head
    wanted = load_i64(data + HAND_SEQUENCE)
    if wanted < 1:
        wanted = count + 1
    session.sent_bytes = stream_store.entry_end(stream, wanted - 1)
    reply = load_i64(data + HAND_REPLY)
    stream_store.copy_bytes(session + session_block.SIDE, data + 64, reply)
    session_commands.put_number(
        session + session_block.SIDE + load_i64(data + HAND_REPLY_AT), wanted
    )
    session.side_at = 0
    session.side_length = reply
