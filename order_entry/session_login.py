"""A SoupBinTCP login that the doorman has let in: from which message of the stream it goes on.

A hand-over's words are the doorman's (order_entry/doorman.py); bytes that came with the login
follow them.
"""

from openoutcry.order_entry import apply as a
from openoutcry.order_entry import session as s
from openoutcry.order_entry import session_commands as c
from openoutcry.order_entry import soupbin
from openoutcry.order_entry import stream as st
from openoutcry.wire import sockets as so
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64, store_u8

HAND_INDEX, HAND_SEQUENCE, HAND_REPLY, HAND_REPLY_AT, HAND_BYTES = 0, 8, 16, 24, 512
HAND_SOURCE, HAND_MAX = 32, 4096
REFUSED_LOGIN = tuple(soupbin.login_rejected("S"))


@kernel
def is_beyond(session: int, wanted: int) -> bool:
    """No message of the stream has this number, nor will the next one have it."""
    return wanted > load_i64(load_i64(session + s.STREAM) + st.HEAD) + 1


@kernel_outlined
def refuse_number(session: int, data: int, fd: int) -> None:
    """The stream that the login wants to go on with is not the one that there is."""
    for place in range(len(REFUSED_LOGIN)):
        store_u8(data + place, REFUSED_LOGIN[place])
    so.send(fd, data, len(REFUSED_LOGIN))
    so.close(fd)
    a.add(session + s.FAULTS, 1)
    # The doorman sees that the login which he handed over is over.
    a.add(session + s.GENERATION, 1)


@kernel_outlined
def accept(session: int, data: int) -> None:
    """Answer a SoupBinTCP login, and resume from the number that it asks for."""
    stream = load_i64(session + s.STREAM)
    count = load_i64(stream + st.HEAD)
    wanted = load_i64(data + HAND_SEQUENCE)
    if wanted < 1:
        wanted = count + 1
    store_i64(session + s.SENT_BYTES, st.entry_end(stream, wanted - 1))
    reply = load_i64(data + HAND_REPLY)
    st.copy_bytes(session + s.SIDE, data + 64, reply)
    c.put_number(session + s.SIDE + load_i64(data + HAND_REPLY_AT), wanted)
    store_i64(session + s.SIDE_AT, 0)
    store_i64(session + s.SIDE_LENGTH, reply)
