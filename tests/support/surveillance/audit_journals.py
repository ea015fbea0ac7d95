"""Journals whose trails are looked at: mixed orders over some days, with risk, delays, clocks."""

import numpy as np

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.writer import JournalWriter
from openoutcry.order_entry import command_metadata
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.records import CLOCK_DTYPE
from tests.support.ledger.ledger_flow import config, draw
from tests.support.matcher.matcher_script import SYMBOLS, parse_command, parse_instrument

COMMANDS, DAYS, PART = 12_000, 3, 2_500
SESSIONS = ["ONE OUCH42 of participant 1", "TWO OUCH42 of participant 2"]


def orders(seed=5, count=COMMANDS, bump_ns=0):
    """Commands of some days; with ``bump_ns`` behind a speed bump."""
    commands = draw(count, seed, risk_every=60, days=DAYS)
    if bump_ns:
        # The second: of some blocks the first is a session's login.
        at = commands["rx_ts_ns"][1]
        commands[1] = setting(Setting.SPEED_BUMP, bump_ns)[0]
        commands[1]["seq"], commands[1]["rx_ts_ns"] = 2, at
    return commands


def document(bump=False):
    """The journal's configuration: risk in the core, two sessions."""
    more = {"delayed": 1_024} if bump else {}
    # Some may not enter large orders: there are rejects by a limit.
    limits = [{"set": "MAX_QTY", "value": 20, "who": who, "symbol": "PLAIN"} for who in range(40)]
    return config(limits=limits, **more) | {"sessions": SESSIONS, "gateway": "golden"}


def token_of(seq):
    """What a session calls the order of a command."""
    return f"T{seq}".encode()


def packed(part, first_lane_seq=1):
    """The notes of a block in which each third command is a session's: text for the block."""
    count = len(part)
    mine = np.flatnonzero(np.arange(count) % 3 == 0)
    notes = np.zeros(1 << 12, command_metadata.METADATA_DTYPE)
    lane = np.zeros(count, np.int64)
    for at, index in enumerate(mine.tolist()):
        note = notes[1 + at]
        note["session"], note["protocol"], note["message"] = 1 + index % 2, 1, ord("O")
        if index == 0:
            # Whence the session comes; a record without effect stands there.
            note["message"], note["flags"] = (
                command_metadata.LOGGED_IN,
                command_metadata.FLAG_INTERNAL,
            )
            address = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7])
            note["own"] = np.void(address + (40_001).to_bytes(8, "little"))
        else:
            token = token_of(int(part["seq"][index]))
            note["token_bytes"] = 14
            note["token"] = np.void(token.ljust(14).ljust(40, b"\0"))
        lane[index] = 1 + at
    packer = command_metadata.MetadataPacker(
        notes.ctypes.data, len(notes) - 1, len(SESSIONS), count
    )
    return {"notes": packer.pack(lane)}


def add(writer: JournalWriter, commands, blocks):
    """Append blocks; after every fourth one of clock records, right before the next command, one
    in three notes."""
    parts = np.array_split(commands, blocks)
    for number, part in enumerate(parts):
        note = packed(part) if number % 3 == 0 else None
        if note:
            # A session's connection is a record of kind 0, which the core rejects.
            part[0]["kind"] = 0
        written_ns = int(part["rx_ts_ns"][-1]) + 70_000
        writer.append(int(part["seq"][0]), [part], len(part), written_ns, note=note)
        if number % 4 == 0:
            clock = np.zeros(1, CLOCK_DTYPE)
            clock["bound_ns"] = 900 + number
            next_ns = [int(after["rx_ts_ns"][0]) for after in parts[number + 1 : number + 2]]
            writer.clock(clock, max([written_ns, *next_ns]) + 1)


def write(home, commands, blocks=24, bump=False):
    """A journal with all of them."""
    with Journal.create(home, document(bump), segment_bytes=1 << 18, direct=False) as writer:
        add(writer, commands, blocks)
    return home


def read_all(home):
    """All commands and all events of a journal."""
    reader = JournalReader(home)
    batches = list(events_of(reader, point := starting_point(reader)))
    commands = np.concatenate([np.array(batch.commands) for batch in batches])
    return commands, np.concatenate([batch.events for batch in batches]), point.engine


def scripted(home, script):
    """A journal of a script's commands (tests/support/matcher/matcher_script.py), a block each."""
    lines = [line.strip() for line in script.strip().splitlines()]
    rows = [parse_instrument(line) for line in lines if line.startswith("INSTRUMENT")]
    table = make_instruments(rows or SYMBOLS)
    config = {"instruments": instruments_to_json(table), "order_capacity": 64}
    commands = [line for line in lines if not line.startswith("INSTRUMENT")]
    with Journal.create(home, config, segment_bytes=1 << 18, direct=False) as writer:
        for seq, line in enumerate(commands, 1):
            order = parse_command(line, seq)
            order["rx_ts_ns"] = seq
            writer.append(seq, [order], 1, seq)
    return home
