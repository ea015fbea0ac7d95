"""Requests over shared memory: the kernel reads every one as the plain reference does, field by
field, whatever its bytes are."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import command_metadata, shm_in
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.shm_layout import (
    FIELDS_OF,
    RANGE_COUNT,
    RANGES,
    REQUEST_BYTES,
    Request,
    ShmRequest,
    ShmRequestName,
    is_text,
)
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import OrderType, SelfTrade, Side, TimeInForce
from tests.oracles.order_entry.shm import Name, Who, meaning_of, texts_of
from tests.support.order_entry.shm_fields import PAGE, filled

SYMBOLS = (b"ACME", b"BOLT")
TABLE = session_block.Symbols(make_instruments([name.decode() for name in SYMBOLS]))
RECEIVED_NS = 1_700_000_000_000_000_000
WORD = st.integers(-(1 << 63), (1 << 63) - 1)
NAME = st.one_of(st.sampled_from([0, 1]), WORD)


def or_any_byte(numbers: object) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from(sorted({0, *map(int, numbers)})), st.integers(0, 255))


KINDS = st.one_of(st.sampled_from([int(kind) for kind in Request]), st.integers(0, 255))
TERMS = st.builds(
    lambda tif, mode: tif | mode << 4,
    st.one_of(st.sampled_from([0, *map(int, TimeInForce)]), st.integers(0, 15)),
    st.one_of(st.sampled_from([0, *map(int, SelfTrade)]), st.integers(0, 15)),
)
REQUESTS = st.fixed_dictionaries(
    {
        "kind": KINDS,
        "side": or_any_byte(Side),
        "order_type": or_any_byte(OrderType),
        "time_in_force": TERMS,
        "participant": st.one_of(st.sampled_from([0, 7, 10, 19, 20]), st.integers(0, 65_535)),
        "names": st.one_of(st.just(0), st.integers(0, 4), st.integers(0, 65_535)),
        "id": NAME,
        "id_high": NAME,
        "orig_id": NAME,
        "orig_id_high": NAME,
        "price_ticks": WORD,
        "qty_lots": WORD,
        "symbol": st.sampled_from([b"", *SYMBOLS, b"ACM", b"ZINC"]),
        "aux": WORD,
        "seq": st.integers(1, 1 << 40),
    }
)
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=36)
SLOT = st.one_of(
    TEXT.map(lambda text: b"N" + bytes(7) + text.encode().ljust(48, b"\0")),
    TEXT.map(lambda text: b"N" + bytes(7) + text.encode().ljust(47, b"\0") + b"x"),
    st.binary(min_size=48, max_size=48).map(lambda rest: b"N" + bytes(7) + rest),
    st.binary(min_size=55, max_size=55).map(lambda rest: b"N" + rest),
)
"""A further slot, without its sequence: a name, one with a byte behind it, noise."""
PEOPLE = st.builds(
    Who,
    st.just(7),
    st.just(SYMBOLS),
    st.sampled_from([(), ((10, 19),), ((1, 3), (20, 20))]),
    st.sampled_from([int(mode) for mode in SelfTrade]),
)


def block_of(who: Who) -> npt.NDArray[np.int64]:
    block = np.zeros(session_block.SessionBlock.size_bytes // 8, np.int64)
    for offset, value in TABLE.words().items():
        block[offset // 8] = value
    block[session_block.PARTICIPANT // 8] = who.participant
    block[session_block.SELF_TRADE // 8] = who.self_trade
    block[RANGE_COUNT // 8] = len(who.ranges)
    for place, (first, last) in enumerate(who.ranges):
        block[RANGES // 8 + 2 * place : RANGES // 8 + 2 * place + 2] = first, last
    return block


def bytes_of(request: dict[str, int | bytes]) -> npt.NDArray[np.uint8]:
    """A slot of 64 bytes. Symbol and aux lie where the names of the order that is meant do."""
    message = np.zeros(REQUEST_BYTES, np.uint8)
    has_symbol = request["kind"] in (Request.ENTER, Request.MASS_CANCEL)
    for name, value in request.items():
        if name in (("orig_id", "orig_id_high") if has_symbol else ("symbol", "aux")):
            continue
        place = ShmRequest.fields[name]
        size = {"u8": 1, "u16": 2}.get(place.ctype, 8)
        if isinstance(value, bytes):
            raw = value.ljust(8, b"\0")
        else:
            raw = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        message[place.offset : place.offset + size] = list(raw)
    return message


def with_slots(message: npt.NDArray[np.uint8], slots: list[bytes]) -> npt.NDArray[np.uint8]:
    """A request with further slots, as the venue copies it."""
    rest = [np.frombuffer(slot.ljust(REQUEST_BYTES, b"\0"), np.uint8) for slot in slots]
    return np.concatenate([message, *rest])


def decoded(message: npt.NDArray[np.uint8], who: Who) -> tuple[int, np.void, np.void]:
    """The kernel's result, order and metadata."""
    block = block_of(who)
    order = np.zeros(1, ORDER_DTYPE)
    metadata = np.zeros(1, command_metadata.METADATA_DTYPE)
    order["participant"], order["rx_ts_ns"] = (0 if who.ranges else who.participant), RECEIVED_NS
    at = [array.ctypes.data for array in (message, block, order, metadata)]
    result = shm_in.decode(at[0], len(message), at[1], at[2], at[3])
    return int(result), order[0], metadata[0]


def name_of(metadata: np.void, which: str, size: int) -> Name:
    token = np.frombuffer(bytes(metadata[which]), np.uint8)
    if is_text(token.ctypes.data):
        whose = int.from_bytes(token[36:38].tobytes(), "little")
        assert not token[size:36].any()
        return token[:size].tobytes(), whose
    low, high, participant = np.frombuffer(bytes(metadata[which])[:24], np.int64)
    return int(low), int(high), int(participant)


@given(REQUESTS, PEOPLE, st.lists(SLOT, min_size=2, max_size=2))
def test_the_kernel_reads_a_request_as_the_reference_does(
    request: dict[str, int | bytes], who: Who, slots: list[bytes]
) -> None:
    texts = texts_of(request)
    slots = slots[: len(texts)]
    if texts and int(request["seq"]) % 4:  # so that not every request is refused
        request |= {key: 0 for name in texts for key in (name, f"{name}_high")}
    message = with_slots(bytes_of(request), slots)
    result, order, metadata = decoded(message, who)
    meaning = meaning_of(request, who, slots)
    if meaning is None:
        known = {Request.HEARTBEAT: Kind.HEARTBEAT, Request.LOGOUT: Kind.LOGOUT}
        assert result == known.get(request["kind"], Fault.UNKNOWN_TYPE)
        return
    assert result == Kind.APPLICATION
    assert int(metadata["message"]) == request["kind"]
    assert int(metadata["client_seq"]) == int(request["seq"]) + len(slots)
    assert int(metadata["refused"]) == meaning.refused
    owner = int(np.frombuffer(bytes(metadata["own"])[:2], np.uint16)[0])
    assert owner == meaning.owner
    for which, count, name in (
        ("token", "token_bytes", meaning.name),
        ("orig", "orig_bytes", meaning.orig),
    ):
        assert (int(metadata[count]) != 0) == (name is not None)
        if name is not None:
            assert name_of(metadata, which, int(metadata[count])) == name
    if meaning.refused:
        assert int(order["kind"]) == 0, "a refused request is no command"
        return
    wanted = {"participant": who.participant, "rx_ts_ns": RECEIVED_NS} | meaning.order
    for field in ORDER_DTYPE.names or ():
        value = order[field]
        value = bytes(value) if field == "symbol" else int(value)
        assert value == wanted.get(field, b"" if field == "symbol" else 0), field


def test_no_instrument_has_an_empty_symbol() -> None:
    """A free row of the table of symbols is no instrument, though its symbol is equal."""
    request: dict[str, int | bytes] = {"kind": int(Request.ENTER), "symbol": b"", "id": 1, "seq": 1}
    request |= {"side": 1, "order_type": 1, "time_in_force": 1, "qty_lots": 1}
    _, order, metadata = decoded(bytes_of(request), Who(7, SYMBOLS))
    assert (int(metadata["refused"]), int(order["kind"])) == (Refusal.UNKNOWN_SYMBOL, 0)


@given(REQUESTS, st.integers(0, 200))
def test_only_whole_slots_as_many_as_names_says_are_a_request(
    request: dict[str, int | bytes], length: int
) -> None:
    who, count = Who(7, SYMBOLS), len(texts_of(request))
    message = with_slots(bytes_of(request), 3 * [b"N"])
    block = block_of(who)
    order = np.zeros(1, ORDER_DTYPE)
    metadata = np.zeros(1, command_metadata.METADATA_DTYPE)
    if length != REQUEST_BYTES * (1 + count):
        at = [array.ctypes.data for array in (message, block, order, metadata)]
        assert shm_in.decode(at[0], length, at[1], at[2], at[3]) == Fault.BAD_LENGTH
        assert bytes(order.tobytes()) == bytes(64), "nothing was written"


TEMPLATE: dict[str, int | bytes] = {
    **dict.fromkeys(("side", "order_type", "time_in_force", "participant", "names"), 0),
    **dict.fromkeys(("id", "id_high", "orig_id", "orig_id_high", "price_ticks", "qty_lots"), 0),
    **{"aux": 0, "symbol": b"", "seq": 1},
}
REQUESTS_OF: dict[Request, dict[str, int | bytes]] = {
    Request.ENTER: {"side": 1, "order_type": 1, "time_in_force": 1, "id": 1, "symbol": b"ACME"},
    Request.REPLACE: {"id": 2, "orig_id": 1, "qty_lots": 5, "price_ticks": 9},
    Request.CANCEL: {"orig_id": 1},
    Request.MASS_CANCEL: {},
}


@pytest.mark.parametrize("kind", REQUESTS_OF)
def test_every_byte_that_a_request_does_not_have_is_refused(kind: Request) -> None:
    """Each byte outside of the fields in the page's table, one at a time, in each request."""
    who = Who(7, SYMBOLS)
    message = bytes_of(TEMPLATE | REQUESTS_OF[kind] | {"kind": int(kind)})
    _, order, metadata = decoded(message, who)
    assert (metadata["refused"], order["kind"] != 0) == (0, True), "as it is, it is a command"
    names = {"kind", "participant", *FIELDS_OF[kind].split()}
    has: set[int] = set()
    for name in names:
        field = ShmRequest.fields[name]
        size = {"u8": 1, "u16": 2}.get(field.ctype, 8)
        has |= {*range(field.offset, field.offset + size)}
    unused = [place for place in range(56) if place not in has]
    for place in unused:
        changed = message.copy()
        changed[place] = 1
        _, order, metadata = decoded(changed, who)
        assert metadata["refused"] == Refusal.UNUSED_FIELD, place
        assert order["kind"] == 0, place


@pytest.mark.parametrize("kind", [Request.ENTER, Request.REPLACE, Request.CANCEL])
def test_a_further_slot_has_nothing_but_a_name(kind: Request) -> None:
    """Each other byte of a further slot, one at a time; and a slot that is no name."""
    who = Who(7, SYMBOLS)
    texts = 1 if kind == Request.ENTER else 3
    fields = REQUESTS_OF[kind] | {"kind": int(kind), "names": texts, "id": 0}
    fields |= {"orig_id": 0} if texts == 3 else {}
    count = len(texts_of(TEMPLATE | fields))
    whole = with_slots(bytes_of(TEMPLATE | fields), count * [b"N" + bytes(7) + b"x" * 36])
    _, order, metadata = decoded(whole, who)
    assert (metadata["refused"], order["kind"] != 0) == (0, True)
    text = ShmRequestName.fields["text"]
    assert (text.offset, text.size_bytes) == (8, 36)
    for slot in range(1, 1 + count):
        for place in (*range(1, 8), *range(44, 56)):
            changed = whole.copy()
            changed[REQUEST_BYTES * slot + place] = 1
            _, order, metadata = decoded(changed, who)
            assert metadata["refused"] == Refusal.UNUSED_FIELD, (slot, place)
            assert order["kind"] == 0, (slot, place)
        for byte in (0, 32, 127, 200, 10):
            changed = whole.copy()
            changed[REQUEST_BYTES * slot + 8] = byte
            _, order, metadata = decoded(changed, who)
            assert (metadata["refused"], order["kind"]) == (Refusal.NAME, 0), (slot, byte)
            which = "token" if slot == 1 else "orig"
            assert not any(bytes(metadata[which])), "no answer has it"
        changed = whole.copy()
        changed[REQUEST_BYTES * slot] = int(Request.CANCEL)
        assert decoded(changed, who)[0] == Fault.UNKNOWN_TYPE


def test_the_page_has_the_fields_of_each_request() -> None:
    """`python -m tests.support.order_entry.shm_fields` writes the table."""
    assert filled(PAGE.read_text()) == PAGE.read_text()
