"""SoupBinTCP: packets split, coalesced, oversize; logins in both paddings; and the golden bytes
that others published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.soupbin import LoginError, LoginRequest
from tests.oracles.order_entry import ouch42 as reference


def frame(data):
    held = np.frombuffer(data + b"\0", np.uint8).copy()
    return soupbin.frame(held.ctypes.data, len(data))


def classify(data):
    held = np.frombuffer(data, np.uint8).copy()
    return soupbin.classify(held.ctypes.data, len(data))


def test_a_packet_is_whole_when_its_last_byte_is_there():
    data = soupbin.packet("U", b"hello")
    for length in range(len(data)):
        assert frame(data[:length]) == 0
    assert frame(data) == len(data)
    assert frame(data + soupbin.CLIENT_HEARTBEAT) == len(data)


def test_what_no_further_byte_can_mend_is_a_fault_at_once():
    assert frame(b"\0\0") == Fault.BAD_LENGTH
    assert frame(b"\xff\xff") == Fault.OVERSIZE
    longest = soupbin.MAX_CLIENT_PACKET
    assert frame(longest.to_bytes(2, "big")) == 0
    assert frame((longest + 1).to_bytes(2, "big")) == Fault.OVERSIZE


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (soupbin.packet("U", b"x"), Kind.APPLICATION),
        (soupbin.packet("U"), Fault.BAD_LENGTH),
        (soupbin.CLIENT_HEARTBEAT, Kind.HEARTBEAT),
        (soupbin.packet("R", b"x"), Fault.BAD_LENGTH),
        (soupbin.LOGOUT_REQUEST, Kind.LOGOUT),
        (soupbin.packet("+", b"hello"), Kind.DEBUG),
        (soupbin.login_packet(LoginRequest("a", "b")), Kind.LOGIN),
        (soupbin.login_packet(LoginRequest("a", "b", timeout_ms=5)), Kind.LOGIN),
        (soupbin.packet("L", b"x"), Fault.BAD_LENGTH),
        (soupbin.packet("S", b"x"), Fault.UNKNOWN_TYPE),
        (soupbin.packet("H"), Fault.UNKNOWN_TYPE),
        (soupbin.packet("\0"), Fault.UNKNOWN_TYPE),
    ],
)
def test_packets_of_a_client(packet, kind):
    assert classify(packet) == kind == reference.classify(packet)


@pytest.mark.promise(
    "Bytes that are not a message end their connection, over OUCH and over FIX. None ends a "
    "process, leaks a descriptor or memory, or changes another session's answers",
    group="venue",
)
@given(st.binary(min_size=1, max_size=60))
def test_any_packet_is_classified_as_the_reference_does(data):
    packet = len(data).to_bytes(2, "big") + data
    assert frame(packet) == len(packet)
    assert classify(packet) == reference.classify(packet)


def test_logins_come_back_in_either_padding():
    login = LoginRequest("alice", "secret", "20261121", 77)
    assert soupbin.read_login(soupbin.login_packet(login)) == login
    newer = LoginRequest("alice", "secret", "", 0, 15_000)
    assert soupbin.read_login(soupbin.login_packet(newer)) == newer
    fields = b" alice" + b"    secret" + b"20261121  " + b"77".ljust(20)
    assert soupbin.read_login(soupbin.packet("L", fields)) == login


@pytest.mark.parametrize(
    ("packet", "word"),
    [
        (soupbin.packet("L", b"x" * 26 + b"7x".rjust(20)), "sequence '7x' is not a number"),
        (soupbin.packet("L", b"x" * 26 + b"-7".rjust(20)), "sequence '-7' is not a number"),
        (soupbin.packet("L", b"\x07" * 26 + b"7".rjust(20)), "username is not printable"),
        (soupbin.packet("L", b"x" * 45), "not a login request: 48 bytes"),
        (soupbin.packet("R"), "not a login request: 3 bytes"),
    ],
)
def test_a_login_that_cannot_be_read_says_why(packet, word):
    with pytest.raises(LoginError, match=word):
        soupbin.read_login(packet)


def test_a_blank_sequence_is_what_is_new():
    packet = soupbin.packet("L", b"alice secret    " + b" " * 30)
    assert soupbin.read_login(packet).sequence == 0


def test_published_bytes():
    """By ziyangliu-666/FastMM, tests/fixtures/nasdaq."""
    assert soupbin.login_accepted("SESS01", 42).hex() == (
        "001f41202020205345535330312020202020202020202020202020202020203432"
    )
    assert soupbin.login_rejected("A").hex() == "00024a41"
    assert soupbin.login_packet(LoginRequest("FMUSER", "secret", "", 1)).hex() == (
        "002f4c464d55534552736563726574" + "20" * 33 + "31"
    )
    assert soupbin.SERVER_HEARTBEAT.hex() == "000148"
    assert soupbin.CLIENT_HEARTBEAT.hex() == "000152"
    assert soupbin.END_OF_SESSION.hex() == "00015a"
    assert soupbin.LOGOUT_REQUEST.hex() == "00014f"
    assert soupbin.packet("+", b"dbg").hex() == "00042b646267"
    out = np.zeros(16, np.uint8)
    size = soupbin.sequenced(out.ctypes.data, 5)
    out[soupbin.HEADER_BYTES : size] = np.frombuffer(b"hello", np.uint8)
    assert out[:size].tobytes().hex() == "00065368656c6c6f"
