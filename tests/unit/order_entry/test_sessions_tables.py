"""What sessions keep in memory and files: metadata packed and given back, rows by number, tokens
found exactly, the stream store through deaths; each fast kernel against its slow reference."""

import itertools
import random
from base64 import b64decode, b64encode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import (
    apply,
    command_metadata,
    rows,
    session,
    session_region,
    stream,
    tokens,
)
from openoutcry.wire import EVENT_DTYPE, make_instruments
from tests.support.order_entry.sessions_tables import put


def counted_metadata(count, sessions=3):
    """Notes of clients that count their tokens up, as most do."""
    metadata_rows = np.zeros(count, command_metadata.METADATA_DTYPE)
    for index in range(count):
        metadata = metadata_rows[index]
        metadata["session"], metadata["protocol"], metadata["message"] = (
            1 + index % sessions,
            1,
            ord("O"),
        )
        metadata["row"], metadata["token_bytes"] = index + 1, 14
        metadata["token"] = f"ORD{index // sessions:011d}".encode()
        metadata["own"] = b"FIRMYP"
    return metadata_rows


def pack(metadata_rows, sessions=64):
    """Through the packer, as the journal stage does; the metadata is at lane sequences from 1."""
    ring = np.zeros(1 << max(1, len(metadata_rows).bit_length()), command_metadata.METADATA_DTYPE)
    ring[1 : len(metadata_rows) + 1] = metadata_rows
    packer = command_metadata.MetadataPacker(ring.ctypes.data, len(ring) - 1, sessions, len(ring))
    return packer.pack(np.arange(1, len(metadata_rows) + 1))


def plainly_packed(metadata_rows):
    """As ``command_metadata.MetadataPacker``, of commands that all have metadata, as bytes."""
    previous: dict[int, bytes] = {}
    out = bytearray(((1 << len(metadata_rows)) - 1).to_bytes(-(-len(metadata_rows) // 8), "little"))
    for metadata in metadata_rows:
        session, new = int(metadata["session"]), metadata.tobytes()
        old = previous.get(session, bytes(command_metadata.METADATA_BYTES))
        changed, body = 0, bytearray()
        for word in range(command_metadata.WORDS):
            mine, before = new[8 * word : 8 * word + 8], old[8 * word : 8 * word + 8]
            if mine == before:
                continue
            changed |= 1 << word
            differs = [k for k in range(8) if mine[k] != before[k]]
            body.append(sum(1 << k for k in differs))
            body += bytes(mine[k] for k in differs)
        out += session.to_bytes(2, "little") + changed.to_bytes(2, "little") + body
        previous[session] = new
    return bytes(out)


@given(st.data())
def test_packed_notes_come_back_and_are_what_the_reference_packs(data):
    count = data.draw(st.integers(0, 3) | st.integers(0, 40))
    metadata_rows = counted_metadata(count, data.draw(st.integers(1, 5)))
    raw = metadata_rows.view(np.uint8).reshape(-1, command_metadata.METADATA_BYTES)
    for _ in range(data.draw(st.integers(0, 60)) if count else 0):
        at = (
            data.draw(st.integers(0, count - 1)),
            data.draw(st.integers(2, command_metadata.METADATA_BYTES - 1)),
        )
        raw[at] = data.draw(st.integers(0, 255))
    text = pack(metadata_rows)
    assert b64decode(text) == plainly_packed(metadata_rows)
    there, unpacked = command_metadata.unpack(text, count, 64)
    assert there.tolist() == list(range(count))
    assert unpacked.tobytes() == metadata_rows.tobytes()
    whole = [row.tobytes() for row in metadata_rows]
    assert command_metadata.unpack_few(text, count, 64) == list(enumerate(whole))


def test_commands_of_other_lanes_have_no_note_and_damage_is_refused():
    metadata_rows = counted_metadata(4)
    ring = np.zeros(8, command_metadata.METADATA_DTYPE)
    ring[1:5] = metadata_rows
    packer = command_metadata.MetadataPacker(ring.ctypes.data, 7, 64, 8)
    text = packer.pack(np.array([0, 1, 0, 0, 3]))
    there, unpacked = command_metadata.unpack(text, 5, 64)
    assert there.tolist() == [1, 4]
    assert unpacked.tobytes() == metadata_rows[[0, 2]].tobytes()
    few = command_metadata.unpack_few
    assert few(text, 5, 64) == [(1, metadata_rows[0].tobytes()), (4, metadata_rows[2].tobytes())]
    longer = b64encode(b64decode(text) + b"x").decode()
    for read in (command_metadata.unpack, few):
        for bad, count in ((text, 4), (text[:-4], 5), (longer, 5)):
            with pytest.raises(ValueError, match="are not the metadata"):
                read(bad, count, 64)
        with pytest.raises(ValueError, match="metadata of 5 commands"):
            read(text, 5, 1)
    assert few("", 1, 64) == []


def test_a_counting_clients_note_is_a_dozen_bytes():
    size = len(b64decode(pack(counted_metadata(3000)))) / 3000
    assert size < 16, size


def test_numbers_pass_over_rows_that_are_live():
    table = np.zeros(8, rows.ROW_DTYPE)
    at, last, given_out = table.ctypes.data, 0, []
    for _ in range(8):
        last = int(rows.next_number(at, 7, last, 0))
        rows.take_row(at, 7, last)
        table[last & 7]["state"] = rows.SENT
        given_out.append(last)
    assert sorted(given_out) == list(range(1, 9))
    assert rows.next_number(at, 7, last, 0) == 0
    table[5]["state"] = rows.DONE
    number = int(rows.next_number(at, 7, last, 0))
    assert number == 13
    assert rows.find_row(at, 7, 5) != 0
    rows.take_row(at, 7, number)
    assert rows.find_row(at, 7, 5) == 0
    assert rows.find_row(at, 7, 13) == at + 256 * 5


def test_a_replaced_order_is_found_by_the_cores_id():
    table = np.zeros(8, rows.ROW_DTYPE)
    at = table.ctypes.data
    for number in (3, 4):
        rows.take_row(at, 7, number)
        table[number]["order_id"] = rows.ORDER_BIT | 3
    assert rows.current_row(at, 7, rows.ORDER_BIT | 3) == at + 256 * 3
    table[3]["current"] = 4
    assert rows.current_row(at, 7, rows.ORDER_BIT | 3) == at + 256 * 4
    assert rows.current_row(at, 7, 3) == 0
    assert rows.current_row(at, 7, -1) == 0


@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
    group="network",
)
def test_an_events_row_belongs_to_its_participant():
    """An id that came by another door must not find a session's order."""
    sizes = session_region.Sizes(1, 8, 8, 8)
    memory = np.zeros(session_region.region_bytes(sizes) // 8, np.int64)
    shared = session_region.SessionRegion(memory, sizes)
    shared.block(1)[session.PARTICIPANT // 8] = 7
    row = rows.take_row(shared[session_region.ROWS], 7, 3)
    place = memory.view(np.uint8)[row - memory.ctypes.data :][: rows.ROW_BYTES]
    named = ["order_id", "session", "participant"]
    place.view(rows.ROW_DTYPE)[named] = rows.ORDER_BIT | 3, 1, 7
    event = np.zeros(1, EVENT_DTYPE)
    event["order_id"] = rows.ORDER_BIT | 3
    for participant, expected in ((7, row), (8, 0), (0, 0)):
        event["participant"] = participant
        assert apply.row_of_event(shared.address, event.ctypes.data) == expected


SESSIONS = 3


@pytest.mark.parametrize("name", [b"ORD%011d", b"%014d"], ids=["letters", "digits"])
def test_tokens_that_are_counted_up_lie_in_one_line_of_the_index(name):
    """Eight, which the last character's three lowest bits tell apart; so do numbers."""
    for counted in (
        [name % number for number in range(7_000, 7_008)],
        [number.to_bytes(8, "little") for number in range(800, 808)],
    ):
        words, memory = make_table(64)
        table, lines = words.ctypes.data, set()
        for token in counted:
            _held, at = token_address(token)
            assert tokens.put_token(table, 1, at, 1) == 1
            slot = tokens.find_slot(table, 1, at, tokens.token_hash(table, 1, at))
            lines.add((slot - memory.ctypes.data) // 64)
        assert len(lines) == 1


def test_tokens_of_one_line_are_found_beyond_it():
    """All 64 that differ in bits which only choose a place in the line."""
    words, _memory = make_table(128)
    table, known = words.ctypes.data, {}
    for first, last in itertools.product(range(8), repeat=2):
        token = bytes([64 + first]) + b"RD0000000000" + bytes([48 + last])
        _held, at = token_address(token)
        assert tokens.put_token(table, 1, at, 8 * first + last + 1) == 1
        known[token] = 8 * first + last + 1
    for token, number in known.items():
        _held, at = token_address(token)
        assert tokens.number_of(table, 1, at) == number


def make_table(capacity):
    memory = np.zeros(tokens.memory_bytes(capacity, SESSIONS) // 8, np.int64)
    words = np.zeros(tokens.TABLE_BYTES // 8, np.int64)
    tokens.prepare_table(words, memory.ctypes.data, capacity)
    return words, memory


def token_address(token):
    held = np.frombuffer(token.ljust(tokens.TOKEN_SIZE, b"\0"), np.int64).copy()
    return held, held.ctypes.data


@given(
    st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=40).filter(lambda t: t)), max_size=80)
)
def test_tokens_are_a_dictionary(wanted):
    """Against a dict; a token names what it named first, a session never sees another's."""
    words, _memory = make_table(64)
    known = {}
    for number, (who, token) in enumerate(wanted, start=1):
        held, at = token_address(token)
        key = who, held.tobytes()
        assert tokens.number_of(words.ctypes.data, who, at) == known.get(key, 0)
        whole = tokens.token_hash(words.ctypes.data, who, at)
        first, second, third = map(int, held[:3])
        short = tokens.short_hash(words.ctypes.data, who, first, second, third & 0xFFFF)
        assert short == whole or len(token) > 18
        result = int(tokens.put_token(words.ctypes.data, who, at, number))
        if key in known:
            assert result == tokens.TAKEN
        elif len(known) == 56:
            assert result == tokens.FULL
        else:
            assert result == 1
            known[key] = number
    for (who, token), number in known.items():
        held, at = token_address(token)
        assert tokens.number_of(words.ctypes.data, who, at) == number


@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
@given(st.lists(st.sampled_from([1, 1, 1, 1, 2, 3]), max_size=80))
def test_a_session_takes_no_more_tokens_than_are_left_for_all(asking):
    """Against plain counting; whoever comes last finds room, until he has what is left too."""
    words, _memory = make_table(64)
    table, taken = words.ctypes.data, dict.fromkeys((1, 2, 3), 0)
    for number, who in enumerate(asking, start=1):
        left = 56 - sum(taken.values())
        assert bool(tokens.has_room_for(table, who, 1)) == (taken[who] < left)
        if taken[who] < left:
            _held, at = token_address(b"%d" % number)
            assert tokens.put_token(table, who, at, number) == 1
            taken[who] += 1
    assert max(taken.values()) <= 28
    tokens.clear_table(table, SESSIONS)
    assert all(tokens.has_room_for(table, who, 1) for who in taken)


def test_symbols_are_found_by_name_and_index():
    instruments = make_instruments([f"S{i}" for i in range(300)])
    symbols = session.Symbols(instruments, {"S7": 2, "S8": 6})
    block = np.zeros(session.BLOCK_BYTES // 8, np.int64)
    for word, value in symbols.words().items():
        block[word // 8] = value
    at = block.ctypes.data
    for index in (0, 7, 8, 299):
        name = np.frombuffer(f"S{index}".encode().ljust(8, b"\0"), np.int64)[0]
        row = session.find_symbol(at, int(name))
        assert load_at(row + session.SYMBOL_INSTRUMENT) == index
        expected = {7: 100, 8: 0}.get(index, 1)
        assert load_at(row + session.SYMBOL_SCALE) == expected
        assert load_at(session.instrument_row(at, index)) == name
    assert session.find_symbol(at, int.from_bytes(b"NONE", "little")) == 0
    assert session.instrument_row(at, 300) == 0


def load_at(address):
    return int(np.frombuffer((np.ctypeslib.ctypes.c_char * 8).from_address(address), np.int64)[0])


def test_a_stream_is_made_again_and_compared(tmp_path):
    """The same messages leave the file as it is; another cuts it off from there."""
    rng = random.Random(4)
    sent = [rng.randbytes(rng.randint(1, 60)) for _ in range(200)]
    path = tmp_path / "sessions" / "ONE.stream"
    store = stream.Stream(path, 17)
    assert [put(store, m, 2 * n) for n, m in enumerate(sent)] == list(range(1, 201))
    again = stream.Stream(path, 17)
    assert again.count == 0
    for n, message in enumerate(sent):
        assert put(again, message, 2 * n) == n + 1
    assert again[stream.DIFFERENT] == 0
    assert [again.entry(n) for n in (1, 77, 200)] == [
        (sent[n - 1], 2 * n - 2) for n in (1, 77, 200)
    ]
    third = stream.Stream(path, 17)
    for n, message in enumerate(sent[:50]):
        put(third, message, 2 * n)
    put(third, b"another", 100)
    assert (third[stream.DIFFERENT], third[stream.COUNT], third.count) == (1, 51, 51)
    with pytest.raises(stream.StreamError, match="is the stream store of another journal"):
        stream.Stream(path, 18)
    path.write_bytes(b"x")
    with pytest.raises(stream.StreamError, match="1 bytes"):
        stream.Stream(path, 17)


def test_a_full_stream_says_so():
    store = stream.Stream(None, 1, entries=3, data_bytes=1000)
    assert [put(store, b"abc", n) for n in range(3)] == [1, 2, 0]
    store = stream.Stream(None, 1, entries=30, data_bytes=10)
    assert [put(store, b"abcd", n) for n in range(3)] == [1, 2, 0]
