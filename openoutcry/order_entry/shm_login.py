"""The login of a session over shared memory: three messages over a Unix socket, and two segments;
or the same messages over TCP, and frames (order_entry/shm_frames.py).

::

    venue        -> challenge  its nonce                      (after SO_PEERCRED was checked)
    participant  -> login      name, day, first reply, its nonce, tag over challenge and login
    venue        -> answer     sizes, tag over login and answer, with the segments' descriptors
                               and, where the venue has one, that of its feed in shared memory

A tag is keyed BLAKE3 with the session's secret, as that of an authenticated packet.  The answer's
proves that the venue has the secret too.  Each segment can be written by one side: the participant
has a descriptor for reading of the replies, and neither can change a segment's size.
"""

import contextlib
import errno
import fcntl
import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import blake3

from openoutcry.order_entry.shm_layout import REPLIES_BYTES, REQUESTS_BYTES, layout_number
from openoutcry.wire.layout import Layout, area, i64

CHALLENGE_MAGIC = int.from_bytes(b"OUTCRYMC", "little")
TCP_MAGIC = int.from_bytes(b"OUTCRYMT", "little")
"""Of a challenge over TCP: a login signs it, so one of the two doors cannot be passed off as the
other."""
FRAMES_OF_PARTICIPANT, FRAMES_OF_VENUE = b"OUTCRYM>", b"OUTCRYM<"
LOGIN_MAGIC = int.from_bytes(b"OUTCRYML", "little")
ANSWER_MAGIC = int.from_bytes(b"OUTCRYMA", "little")
NONCE_BYTES, TAG_BYTES, KEY_BYTES, NAME_BYTES, DAY_BYTES = 32, 32, 32, 32, 8
SO_PEERPIDFD = 77
"""Socket option since Linux 6.5: a pidfd of the process that connected, valid even if its process
id has been reused."""
SO_PEERGROUPS = 59
UCRED = struct.Struct("3i")
LOCK_S, LOCK_NAP_S = 2.0, 0.01
"""How long a venue that starts waits for one that was killed, and between two looks."""


class ShmChallenge(Layout, size_bytes=64):
    """The venue's first message."""

    magic: int = i64("CHALLENGE_MAGIC, over TCP TCP_MAGIC")
    layout: int = i64("number of the segments' layout")
    nonce: int = area(NONCE_BYTES, "drawn for this connection")


class ShmLogin(Layout, size_bytes=128):
    """The participant's answer."""

    magic: int = i64("LOGIN_MAGIC")
    layout: int = i64("number of the layout that it knows")
    name: int = area(NAME_BYTES, "name of the session, padded with NUL")
    day: int = area(DAY_BYTES, "day of the stream, YYYYMMDD; NUL: today's")
    first_reply: int = i64("number of the first reply wanted; 0: the next new one")
    nonce: int = area(NONCE_BYTES, "drawn for this login")
    tag: int = area(TAG_BYTES, "keyed BLAKE3 of challenge and login up to here")


class ShmAnswer(Layout, size_bytes=80):
    """The venue's answer to that."""

    magic: int = i64("ANSWER_MAGIC")
    refused: int = i64("0, or a letter: A not authorised, S session not available")
    day: int = area(DAY_BYTES, "day of the stream")
    requests_bytes: int = i64("size of the requests' segment")
    replies_bytes: int = i64("size of the replies' segment")
    feed_bytes: int = i64("size of the feed's segment, whose descriptor is the third; 0: no feed")
    tag: int = area(TAG_BYTES, "keyed BLAKE3 of login and answer up to here")


CHALLENGE = struct.Struct("<2q32s16x")
LOGIN = struct.Struct(f"<2q{NAME_BYTES}s{DAY_BYTES}sq{NONCE_BYTES}s{TAG_BYTES}s")
ANSWER = struct.Struct(f"<2q{DAY_BYTES}s3q{TAG_BYTES}s")
LOGIN_SIGNED, ANSWER_SIGNED = ShmLogin.offset("tag"), ShmAnswer.offset("tag")


class ShmLoginError(ValueError):
    """A message that is not the login's."""


@dataclass(frozen=True)
class LoginRequest:
    """A login over shared memory; ``first_reply``: the first that is wanted, 0: the next new
    one."""

    name: str
    day: str
    first_reply: int
    data: bytes
    """As it came, the tag included."""


def challenge(nonce: bytes, magic: int = CHALLENGE_MAGIC) -> bytes:
    """The venue's first message: its layout, and the nonce that the login must sign."""
    return CHALLENGE.pack(magic, layout_number(), nonce)


def read_challenge(data: bytes, expected_magic: int = CHALLENGE_MAGIC) -> None:
    """Raises :class:`ShmLoginError` if the venue's layout is another than ours."""
    if len(data) != CHALLENGE.size:
        raise ShmLoginError("the venue sent no challenge")
    magic, layout, _ = CHALLENGE.unpack(data)
    if magic != expected_magic:
        raise ShmLoginError("the venue sent no challenge")
    if layout != layout_number():
        raise ShmLoginError("the venue's segments have another layout; use its own client")


def login(
    key: bytes, asked: bytes, name: str, nonce: bytes, first_reply: int = 0, day: str = ""
) -> bytes:
    """A participant's login; ``asked``: the challenge.  Raises ``ValueError`` for a name or day
    that does not fit."""
    name_bytes, day_bytes = name.encode("ascii"), day.encode("ascii")
    if not 0 < len(name_bytes) <= NAME_BYTES or len(day_bytes) > DAY_BYTES:
        raise ValueError(f"name {name!r} or day {day!r} is too long")
    blank = bytes(TAG_BYTES)
    data = LOGIN.pack(
        LOGIN_MAGIC, layout_number(), name_bytes, day_bytes, first_reply, nonce, blank
    )
    tag = _tag(key, asked + data[:LOGIN_SIGNED])
    return data[:LOGIN_SIGNED] + tag + data[LOGIN_SIGNED + TAG_BYTES :]


def read_login(data: bytes) -> LoginRequest:
    """Raises :class:`ShmLoginError`."""
    if len(data) != LOGIN.size:
        raise ShmLoginError(f"{len(data)} bytes are not a login")
    magic, layout, name, day, first_reply, _, _ = LOGIN.unpack(data)
    if magic != LOGIN_MAGIC or layout != layout_number():
        raise ShmLoginError("the login has another layout")
    texts = [field.rstrip(b"\0") for field in (name, day)]
    if not all(text.isascii() and text.decode("ascii").isprintable() for text in texts):
        raise ShmLoginError("name or day is not printable ASCII")
    return LoginRequest(texts[0].decode(), texts[1].decode(), first_reply, data)


def is_login_of(key: bytes, asked: bytes, request: LoginRequest) -> bool:
    """Return whether the sender of the login has the session's secret."""
    signed, tag = request.data[:LOGIN_SIGNED], request.data[LOGIN_SIGNED:][:TAG_BYTES]
    return hmac.compare_digest(_tag(key, asked + signed), tag)


def refusal(letter: str) -> bytes:
    """The answer that refuses a login; ``letter`` says why."""
    return ANSWER.pack(ANSWER_MAGIC, ord(letter), b"", 0, 0, 0, bytes(TAG_BYTES))


def answer(key: bytes, request: LoginRequest, day: str, feed_bytes: int = 0) -> bytes:
    """The answer to a login that was accepted; ``feed_bytes``: of the feed that comes with it."""
    sizes = REQUESTS_BYTES, REPLIES_BYTES, feed_bytes
    data = ANSWER.pack(ANSWER_MAGIC, 0, day.encode(), *sizes, bytes(TAG_BYTES))
    tag = _tag(key, request.data + data[:ANSWER_SIGNED])
    return data[:ANSWER_SIGNED] + tag + data[ANSWER_SIGNED + TAG_BYTES :]


def read_answer(key: bytes, sent: bytes, data: bytes) -> tuple[str, str, int]:
    """The letter of a refusal ("" of an acceptance), the day and the bytes of the feed; ``sent``:
    the login.

    Raises :class:`ShmLoginError` if it is not an answer of a venue that has the secret.
    """
    if len(data) != ANSWER.size:
        raise ShmLoginError("the venue sent no answer to the login")
    magic, refused, day, requests, replies, feed_bytes, tag = ANSWER.unpack(data)
    if magic != ANSWER_MAGIC:
        raise ShmLoginError("the venue sent no answer to the login")
    if refused:
        return chr(refused & 0x7F), "", 0
    if not hmac.compare_digest(_tag(key, sent + data[:ANSWER_SIGNED]), tag):
        raise ShmLoginError("the answer is not from a venue that has the session's key")
    if (requests, replies) != (REQUESTS_BYTES, REPLIES_BYTES):
        raise ShmLoginError("the venue's segments have another size")
    return "", day.rstrip(b"\0").decode("ascii"), feed_bytes


def frame_keys(key: bytes, asked: bytes, sent: bytes, told: bytes) -> tuple[bytes, bytes]:
    """Return the keys of the participant's frames and of the venue's after a login over TCP, by its
    three messages."""
    said = asked + sent + told
    return _tag(key, FRAMES_OF_PARTICIPANT + said), _tag(key, FRAMES_OF_VENUE + said)


def _tag(key: bytes, data: bytes) -> bytes:
    return blake3.blake3(data, key=key).digest(TAG_BYTES)


# The process at the other end.


@dataclass(frozen=True)
class Peer:
    """The process that connected, as the system says."""

    pid: int
    uid: int
    gids: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end of a Unix socket, as the kernel knows it."""
    pid, uid, gid = UCRED.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    )
    groups = {gid}
    with contextlib.suppress(OSError):
        data = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 << 10)
        groups |= {number for (number,) in struct.iter_unpack("I", data)}
    return Peer(pid, uid, frozenset(groups))


def pidfd_of(connection: socket.socket, peer: Peer) -> int:
    """A descriptor that becomes readable when the process which connected has died.

    Raises ``OSError`` if it has died already.
    """
    try:
        fd = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
        # Before Linux 6.5 by number, which is another's if the process died before this: then its
        # end of the connection is closed, which the venue sees as well.
        fd = os.pidfd_open(peer.pid)
    os.set_inheritable(fd, False)
    return fd


def may_log_in(peer: Peer, uid: int, gid: int) -> bool:
    """Return whether a process is the one that a session names; one that names neither is for
    processes of the venue's own user."""
    if uid < 0 and gid < 0:
        return peer.uid == os.geteuid()
    return (uid < 0 or peer.uid == uid) and (gid < 0 or gid in peer.gids)


# The socket's path.


def bind(listener: socket.socket, path: Path, patience_s: float = LOCK_S) -> int:
    """Take the path of a Unix socket; what a venue that was killed has left there is replaced.
    Returns a descriptor that holds the path's lock until this process and its forks have closed it.

    A killed venue's processes may need a moment to end, for which this waits ``patience_s``.

    Raises ``OSError`` if another process has the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = _locked(path, patience_s)
    try:
        if path.is_socket():
            _require_deserted(path)
            path.unlink(missing_ok=True)
        listener.bind(str(path))
        # Any process may connect: SO_PEERCRED says whose it is before a byte of it is read.
        path.chmod(0o666)
    except OSError:
        os.close(held)
        raise
    return held


def _require_deserted(path: Path) -> None:
    """Raise ``OSError`` if a program, which then is no venue, listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
    raise OSError(errno.EADDRINUSE, "another program, not a venue, listens there")


def _locked(path: Path, patience_s: float) -> int:
    """A descriptor with the lock of PATH.lock.  The file stays: were it removed while a process
    waits, each would have the lock of a different file."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    held = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    until_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK and time.monotonic() < until_s:
                time.sleep(LOCK_NAP_S)
                continue
            os.close(held)
            if error.errno == errno.EWOULDBLOCK:
                raise OSError(errno.EADDRINUSE, "another venue uses this path") from None
            raise
        return held
