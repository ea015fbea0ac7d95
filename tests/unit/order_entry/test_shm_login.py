"""Logins over shared memory: which process is let in, what it is given, and what an impostor is
told."""

import os
import secrets
import socket

import pytest

from openoutcry.client import ClientError, SessionEnded
from openoutcry.client.shm import ShmRefused
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import shm_login
from openoutcry.order_entry.acceptor import (
    KEPT_S,
    KEPT_SEGMENTS,
    LOGINS,
    MAX_UNREAD_EACH,
    REASONS,
    UNREAD_LOOK_S,
)
from openoutcry.order_entry.shm_layout import REPLIES_BYTES, REQUESTS_BYTES, End
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import Side
from openoutcry.wire.load_limits import Budgets, Rate
from tests.support.order_entry.sessions_venue import KEY, session
from tests.support.venue.clients import dial_shm
from tests.support.venue.inline import DAY, InlineVenue

SHM = int(Protocol.SHM)
STRANGER = os.getuid() + 1
ROWS = [
    session("ONE", 1, protocol=SHM),
    session("TWO", 2, protocol=SHM, key=bytes(32)),
    session("NAMED", 3, protocol=SHM, uid=os.getuid(), gid=os.getgid()),
    session("OTHER", 4, protocol=SHM, uid=STRANGER),
    session("GROUP", 5, protocol=SHM, uid=os.getuid(), gid=max([0, *os.getgroups()]) + 77),
    session("OUCH", 6),
]


@pytest.fixture
def venue():
    with InlineVenue(ROWS) as venue:
        yield venue


def refusals(venue, name):
    """Refused logins by reason, of a session ("": of none)."""
    names = ["", *(row.name for row in venue.spec.sessions)]
    block = venue.run.work.sessions.region.block(names.index(name))
    counts = block[session_block.LOGINS // 8 :][: len(REASONS)].tolist()
    return {why: count for why, count in zip(REASONS, counts, strict=True) if count}


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
def test_only_a_process_of_the_named_user_with_the_sessions_key_is_let_in(venue):
    for name in ("ONE", "NAMED"):
        venue.shm(name).logout()
    for name, key, why in (
        ("ONE", bytes(32), "wrong name or password"),
        ("TWO", KEY, "wrong name or password"),
        ("OTHER", KEY, "address not allowed"),
        ("GROUP", KEY, "address not allowed"),
    ):
        with pytest.raises(ShmRefused, match="not authorised"):
            venue.shm(name, key=key)
        assert refusals(venue, name) == {why: 1}
    for name in ("NOBODY", "OUCH"):
        with pytest.raises(ShmRefused, match="not authorised"):
            venue.shm(name)
    assert refusals(venue, "") == {"wrong name or password": 2}


def test_a_process_of_a_user_that_no_session_names_is_not_even_asked():
    with InlineVenue([session("OTHER", 1, protocol=SHM, uid=STRANGER)]) as venue:
        end = dial_shm(venue)
        assert end.recv(1024) == b""
        end.close()
        with pytest.raises(ClientError, match="does not accept processes of this user"):
            venue.shm("OTHER")


def test_failed_logins_lock_a_session_out_for_the_user(venue):
    for _ in range(venue.spec.failures_before_lock):
        with pytest.raises(ShmRefused):
            venue.shm("ONE", key=bytes(32))
    with pytest.raises(ShmRefused):
        venue.shm("ONE")
    assert refusals(venue, "ONE")["locked"] == 1
    venue.shm("NAMED").logout()
    venue.clock.advance(venue.spec.lock_s + 1)
    venue.shm("ONE").logout()


def test_an_old_login_proves_nothing_to_another_challenge(venue):
    """Whoever has listened to a login cannot send it again."""
    first = dial_shm(venue)
    asked = first.recv(1024)
    sent = shm_login.login(KEY, asked, "ONE", secrets.token_bytes(32))
    second = dial_shm(venue)
    assert second.recv(1024) != asked
    second.sendall(sent)
    letter, _, _ = shm_login.read_answer(KEY, sent, second.recv(1024))
    assert letter == "A"
    first.close()
    second.close()


@pytest.mark.parametrize(
    "data", [b"x", bytes(shm_login.LOGIN.size), bytes(shm_login.LOGIN.size + 1), b"y" * 512]
)
def test_bytes_that_are_no_login_end_the_connection_and_are_counted(venue, data):
    end = dial_shm(venue)
    end.recv(1024)
    end.sendall(data)
    assert end.recv(1024) == b""
    assert refusals(venue, "") == {"malformed login": 1}
    end.close()


def test_a_client_refuses_a_venue_that_does_not_know_its_key():
    key, asked = secrets.token_bytes(32), shm_login.challenge(bytes(32))
    sent = shm_login.login(key, asked, "ONE", bytes(32))
    request = shm_login.read_login(sent)
    told = shm_login.answer(key, request, DAY)
    assert shm_login.read_answer(key, sent, told) == ("", DAY, 0)
    forged = shm_login.answer(bytes(32), request, DAY)
    with pytest.raises(shm_login.ShmLoginError, match="not from a venue"):
        shm_login.read_answer(key, sent, forged)
    late = shm_login.login(key, asked, "ONE", bytes(32), first_reply=7)
    with pytest.raises(shm_login.ShmLoginError, match="not from a venue"):
        shm_login.read_answer(key, late, told)


def test_a_session_has_one_connection_and_no_foreign_day(venue):
    one = venue.shm("ONE", day=DAY)
    with pytest.raises(ShmRefused, match="not available"):
        venue.shm("ONE")
    one.logout()
    with pytest.raises(ShmRefused, match="not available"):
        venue.shm("ONE", day="20251231")
    with pytest.raises(SessionEnded, match="number"):
        venue.shm("ONE", first_reply=5)
    again = venue.shm("ONE")
    again.enter(1, Side.BUY, "ACME", 1, 10_000)
    assert [message.id for message in again.told()] == [1]


def test_neither_side_can_change_a_segments_size_nor_the_participant_write_replies(venue):
    end = dial_shm(venue)
    asked = end.recv(1024)
    sent = shm_login.login(KEY, asked, "ONE", secrets.token_bytes(32))
    end.sendall(sent)
    data, (requests, replies), _, _ = socket.recv_fds(end, 1024, 2)
    assert shm_login.read_answer(KEY, sent, data) == ("", DAY, 0)
    for fd, size in ((requests, REQUESTS_BYTES), (replies, REPLIES_BYTES)):
        assert os.fstat(fd).st_size == size
        assert os.fstat(fd).st_mode & 0o777 == 0o600
        for other in (0, size - 4096, size + 4096):
            with pytest.raises(OSError, match=r"not permitted|Bad file|Invalid"):
                os.ftruncate(fd, other)
    with pytest.raises(OSError, match="Bad file"):
        os.write(replies, b"x")
    for fd in (requests, replies):
        os.close(fd)
    end.close()


def test_a_takeover_leaves_the_first_process_with_nothing_to_write_to():
    """Its segments are its own: the second connection has others."""
    with InlineVenue([session("ONE", 1, protocol=SHM, takeover=1)]) as venue:
        first = venue.shm("ONE")
        first.enter(1, Side.BUY, "ACME", 1, 10_000)
        assert [message.id for message in first.told()] == [1]
        second = venue.shm("ONE", first_reply=first.next_reply)
        assert first.end == End.TAKEN_OVER
        first.has_ended = False
        with pytest.raises(SessionEnded, match="taken over"):
            first.enter(2, Side.BUY, "ACME", 1, 10_000)
        first.put(first._request.ctypes.data)
        assert second.told() == []
        assert second.next_request == 2
        second.enter(3, Side.BUY, "ACME", 1, 10_000)
        assert [message.id for message in second.told()] == [3]


def login_of(venue):
    """Log in again as ONE, which takes over, and read nothing; the connection."""
    end = dial_shm(venue)
    asked = end.recv(1024)
    end.sendall(shm_login.login(KEY, asked, "ONE", secrets.token_bytes(32)))
    venue.step()
    return end


def is_answered(end):
    try:
        end.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


TAKES_OVER = [session("ONE", 1, protocol=SHM, takeover=1), session("TWO", 2, protocol=SHM)]


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
def test_a_client_that_keeps_the_segments_of_its_logins_keeps_the_memory_of_the_last():
    """All pages of a segment are there from its beginning, in the venue's name."""
    with InlineVenue(TAKES_OVER) as venue:
        kept = []
        for _ in range(KEPT_SEGMENTS + 3):
            end = login_of(venue)
            _, descriptors, _, _ = socket.recv_fds(end, 1024, 2)
            kept.append(descriptors)
            end.close()
        held = [[os.fstat(fd).st_blocks > 0 for fd in pair] for pair in kept]
        assert held == [[False] * 2] * 3 + [[True] * 2] * KEPT_SEGMENTS
        one = venue.shm("ONE")
        venue.clock.advance(2 * KEPT_S)
        assert os.fstat(kept[-1][0]).st_blocks > 0, "while the session goes on"
        one.logout()
        venue.clock.advance(2 * KEPT_S)
        venue.loop.settle()
        assert not any(os.fstat(fd).st_blocks for pair in kept for fd in pair)
        for fd in (fd for pair in kept for fd in pair):
            os.close(fd)


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
def test_logins_whose_answers_are_not_read_are_few_and_wait_for_one_that_is():
    """The system lets a user have only so many descriptors under way: were it too many, nobody
    could be handed over any more, whatever the protocol."""
    with InlineVenue(TAKES_OVER) as venue:
        unread = [login_of(venue) for _ in range(MAX_UNREAD_EACH + 3)]
        assert [is_answered(end) for end in unread] == [True] * MAX_UNREAD_EACH + [False] * 3
        socket.recv_fds(unread[0], 1024, 2)
        venue.clock.advance(UNREAD_LOOK_S)
        venue.step()
        assert [is_answered(end) for end in unread[-3:]] == [True, False, False]
        for end in unread:
            end.close()


def test_logins_that_are_read_at_once_keep_no_later_one_waiting():
    with InlineVenue(TAKES_OVER) as venue:
        clients = [venue.shm("ONE") for _ in range(2 * MAX_UNREAD_EACH)]
        assert clients[-1].end == End.NONE


def log_in_often(venue, times):
    for _ in range(times):
        venue.shm("ONE")
        venue.clock.advance(UNREAD_LOOK_S)


def test_a_session_logs_in_only_so_often():
    """A login is commands in the sequence, which no rate of messages bounds."""
    assert LOGINS.per_s * 3 <= 300, "commands a second that are in no rate of messages"
    with InlineVenue(TAKES_OVER) as venue:
        venue.acceptor.logins = Budgets(Rate(per_s=1, at_once=5))
        log_in_often(venue, 5)
        with pytest.raises(ShmRefused, match="not available"):
            log_in_often(venue, 1)
        venue.shm("TWO").logout()
        venue.clock.advance(1)
        venue.shm("ONE").logout()


def test_a_path_is_one_venues_until_all_its_processes_have_ended(tmp_path):
    path = tmp_path / "shm.socket"
    with seqpacket() as first, seqpacket() as second, seqpacket() as third:
        held = shm_login.bind(first, path)
        forked = os.dup(held)  # as a stage or the acceptor has it
        # It does not listen yet, so a connection would be refused as by a dead one's socket.
        with pytest.raises(OSError, match="another venue uses this path"):
            shm_login.bind(second, path, patience_s=0)
        os.close(held)
        with pytest.raises(OSError, match="another venue uses this path"):
            shm_login.bind(second, path, patience_s=0)
        assert path.is_socket(), "the socket of who has the path is left alone"
        os.close(forked)
        again = shm_login.bind(second, path, patience_s=0)
        second.listen()
        third.connect(str(path))
        os.close(again)


def test_another_programs_socket_is_left_alone(tmp_path):
    path = tmp_path / "shm.socket"
    with seqpacket() as stranger, seqpacket() as ours:
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(OSError, match="not a venue"):
            shm_login.bind(ours, path, patience_s=0)
        assert path.is_socket()


def seqpacket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
