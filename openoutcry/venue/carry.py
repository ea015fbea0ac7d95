"""Carry a venue over to a new journal, which continues the one that has ended.

The new journal has the old one's number, its next segment, block and sequence, and its first block
names where the old one ended.  What was open stays open: orders with their places, money,
positions, deposits and withdrawals under way, participants' states, names that were used.
Instruments, participants and assets keep their numbers, and after them come the new ones.

Nothing is written before everything is checked.  Then the files next to the journal are copied, a
last block seals the old journal, and the new one's first segment is made.  A process that is killed
anywhere leaves one of the two to serve; the same command then finishes the work.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry
from openoutcry.journal import Journal, JournalLock, JournalReader, note_at
from openoutcry.journal.block import BlockId
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.checkpoints import Checkpoint, write_checkpoint
from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import hash_text
from openoutcry.journal.events import Point
from openoutcry.journal.journal import CARRIED_TO, carried_to
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.state_layout import KEY, state_layout
from openoutcry.journal.tail import CARRIED, name_of_block
from openoutcry.journal.writer import Ended
from openoutcry.ledger import ledger_state
from openoutcry.market_data.public_feed import FOLDER as FEED_FOLDER
from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import with_region
from openoutcry.matcher.rules import Rules
from openoutcry.matcher.state.snapshot import NO_PLACE, encode
from openoutcry.order_entry import sessions_checkpoint
from openoutcry.pipeline.resume import check_sessions
from openoutcry.risk import layout as lay
from openoutcry.risk.carry import carry_region
from openoutcry.risk.region import View
from openoutcry.runtime.lanes import LANES
from openoutcry.venue.file import VenueFile
from openoutcry.venue.operator_lane import Clock, SystemClock
from openoutcry.venue.serve import Venue, wiring_of
from openoutcry.wire.enums import OrderType
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.order_types import PEGS, STOPS, UNPRICED
from openoutcry.wire.records import NO_PRICE
from openoutcry.wire.symbols import NAMES, code_of, coded

NOT_COPIED = (
    "segment-*", "checkpoint-*.occ*", "acknowledged", "retired", "failed", "lock", "upkeep",
    "desk.sock", "status.json", FEED_FOLDER, ledger_state.FOLDER, "canary.json", "served.json",
)  # fmt: skip
"""Of the files next to a journal those that are its own, or are made anew."""
MANY = 20
"""Orders that an error names."""
Note = Callable[[str], None]


class CarryError(OutcryError):
    """A venue cannot be carried over."""


def carry(
    old: VenueFile,
    new: VenueFile,
    note: Note = lambda text: None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Begin the journal of ``new`` where that of ``old`` has ended.

    ``note`` is told each step.  Returns ``seq`` (the last command), ``orders`` (that stay open),
    ``instruments`` (that are new) and ``state_hash`` of the new state.  Raises
    :class:`CarryError`, or the error of what is wrong, for two files that do not fit; then nothing
    was written."""
    _check_files(old, new)
    with ExitStack() as stack:
        for file in (old, new):
            lock = JournalLock(file.journal)
            stack.callback(lock.release)
        return _carry(old, new, note, clock or SystemClock())


def _check_files(old: VenueFile, new: VenueFile) -> None:
    if not Journal.exists(old.journal):
        raise CarryError(f"{old.path}: [venue] journal: {old.journal} has no journal")
    if old.name != new.name:
        raise CarryError(f"{new.path}: [venue] name is {new.name}, and the journal's {old.name}")
    if old.journal == new.journal:
        raise CarryError(
            f"{new.path}: [venue] journal: {old.journal} is the old one's directory: give another"
        )
    for file in (old, new):
        if file.replication is not None:
            raise CarryError(
                f"{file.path}: a replicated journal cannot be carried over: its standbys have the "
                "stream of the old one"
            )
        if file.shards > 1 or file.partitions > 1:
            raise CarryError(f"{file.path}: several matchers cannot be carried over")
    if old.feed is not None and new.feed is None:
        raise CarryError(f"{new.path}: the venue has a public feed, and the new file has none")


def _carry(old: VenueFile, new: VenueFile, note: Note, clock: Clock) -> dict[str, Any]:
    reader = JournalReader(old.journal)
    sealed = carried_to(reader.evidence)
    if Journal.exists(new.journal):
        raise CarryError(f"{new.journal} already holds a journal")
    if sealed and Path(sealed) != new.journal.absolute() and Journal.exists(sealed):
        raise CarryError(f"{old.journal} was carried over to {sealed}, which continues it")
    if reader.evidence is None:
        raise CarryError(
            f"{old.journal}: its last run was cut short: serve it once more, and stop it in good "
            "order"
        )
    before = recover(old.journal)
    if not before.seq or before.block is None:
        raise CarryError(f"{old.journal} has no command: begin a new journal instead")
    config = _config_of(reader.config, old, new)
    configs = [reader.config, *(row["config"] for row in reader.resumed if "config" in row)]
    check_sessions(old.journal, configs[-1].get("sessions", []), config["sessions"])
    engine = carried_engine(before.engine, Core.of(config), _symbols(old))
    point = replace(before, engine=engine)
    _require_same(before.engine, engine)
    note(f"{old.journal} ends with command {before.seq:,}, {engine.open_orders:,} orders are open")
    _copy_files(old.journal, new.journal)
    _carry_sessions(old, new, point, reader.journal_id, clock)
    _carry_ledger(old.journal, new.journal, config, point)
    named = name_of_block(old.journal, before.seq)
    assert named is not None
    config[CARRIED] = {
        "journal": str(old.journal.absolute()),
        "seq": before.seq,
        "block_index": named[1].block_index,
        "block_hash": named[1].block_hash.hex(),
        "state_hash": before.engine.state_hash(),
        "carried_state_hash": engine.state_hash(),
        "note": {LANES: _lanes_at(old, reader, before.seq)},
    }
    _write_checkpoint(new.journal, reader.journal_id, point, named[1])
    if not sealed:
        _seal(old.journal, new.journal, before)
    ended = ended_of(old.journal)
    writer = Journal.create(
        new.journal, config, copies=new.copies, policy=_policy(new), direct=False, after=ended
    )
    writer.close()
    note(f"{new.journal} continues it")
    names = [symbol for symbol in new.symbols if symbol not in old.symbols]
    return {
        "seq": before.seq,
        "orders": engine.open_orders,
        "instruments": names,
        "state_hash": engine.state_hash(),
    }


def _symbols(file: VenueFile) -> list[str]:
    return list(file.symbols)


def _policy(file: VenueFile) -> str:
    return file.policy if file.policy in ("all", "quorum", "any") else "all"


def _config_of(before: Mapping[str, Any], old: VenueFile, new: VenueFile) -> dict[str, Any]:
    """Return the configuration of the new journal: the old one's with what the new file says."""
    hooks = dict(new.hooks)
    was = before.get("hooks") or {}
    for name in ("participants", "groups", "asset_capacity", "delayed"):
        if name in was or name in hooks:
            hooks[name] = max(int(was.get(name, 0)), int(hooks.get(name, 0)))
    config = {
        **before,
        "program": f"openoutcry {openoutcry.__version__}",
        "instruments": instruments_to_json(new.instruments),
        NAMES: coded(new.symbols),
        "order_capacity": new.order_capacity,
        "hooks": hooks,
        "gateway": new.gateway,
        "lanes": [lane.name for lane in wiring_of(new).for_durability(new.durability).lanes],
        "sessions": [
            f"{row.name} {row.protocol.name} of participant {row.participant}"
            for row in (new.sessions.sessions or ())
        ],
    }
    if not config[NAMES]:
        del config[NAMES]
    config.pop(CARRIED, None)
    _check_symbols(before["instruments"], config["instruments"], old, new)
    return config


def _check_symbols(
    before: list[dict[str, Any]], now: list[dict[str, Any]], old: VenueFile, new: VenueFile
) -> None:
    """Instruments keep their places: the new table begins with the symbols of the old one."""
    was, are = [row["symbol"] for row in before], [row["symbol"] for row in now]
    for place, code in enumerate(was):
        if place < len(are) and are[place] == code:
            continue
        symbol = next(s for s in old.symbols if code_of(s).decode() == code)
        if code not in are:
            raise CarryError(
                f"{new.path}: {symbol} is not in it: an instrument stays, closed if it is not "
                "traded any more"
            )
        raise CarryError(
            f"{new.path}: {symbol} is instrument {are.index(code) + 1} there, and {place + 1} in "
            "the journal: new instruments come after those that there are"
        )


def carried_engine(before: Engine, core: Core, symbols: list[str]) -> Engine:
    """Return the new core with the state of the old engine.

    Raises :class:`CarryError` naming the orders that the new rules of their instrument do not
    permit, and ``RiskError`` for what the risk state cannot take over."""
    state, fresh = before.state(), core.fresh()
    _check_orders(state.rows, fresh.instruments, state.instruments, symbols)
    if fresh.order_capacity < before.open_orders:
        raise CarryError(
            f"order_capacity {fresh.order_capacity:,}: {before.open_orders:,} orders are open"
        )
    states = fresh.state().states.copy()
    states[: len(state.states)] = state.states
    book = encode(replace(state, instruments=fresh.instruments, states=states))
    if fresh.hooks is None or before.hooks is None:
        if fresh.hooks is not before.hooks:
            raise CarryError("the journal began without risk in its core, and stays without")
        return core.restored(book)
    carry_region(before.region, fresh.region, symbols)
    return core.restored(with_region(book, fresh.region))


def _check_orders(
    rows: npt.NDArray[Any], now: npt.NDArray[Any], before: npt.NDArray[Any], symbols: list[str]
) -> None:
    """Raise :class:`CarryError` with every open order that is off the new rules."""
    wrong = []
    for index, symbol in enumerate(symbols):
        own = rows[rows["instrument"] == index]
        if now[index] == before[index] or not len(own):
            continue
        rules = Rules(now[index])
        if rules.allocation != before[index]["allocation"]:
            raise CarryError(f"{symbol}: its allocation cannot change while orders are open")
        wrong += [
            f"{symbol}: order {row['order_id']}: {why}"
            for row in own
            if (why := _off_rules(rules, row))
        ]
    if wrong:
        more = f" (and {len(wrong) - MANY} more)" if len(wrong) > MANY else ""
        raise CarryError(
            f"{len(wrong)} open orders do not fit the new rules; cancel them first: "
            + "; ".join(wrong[:MANY])
            + more
        )


def _off_rules(rules: Rules, row: Any) -> str:
    """Return what of an open order the rules do not permit, "" if they permit all of it."""
    for name in ("qty_lots", "reserve_lots", "display_lots"):
        if int(row[name]) % rules.qty_step:
            return f"{name} {row[name]} is no multiple of {rules.qty_step}"
    order_type = OrderType(int(row["order_type"]))
    names = ["trigger_ticks"] if order_type in STOPS else []
    if order_type not in UNPRICED:
        names += ["limit_ticks"]
        # What a peg is at follows from the market, not from what was sent.
        names += ["price_ticks"] if row["place"] < NO_PLACE and order_type not in PEGS else []
    for name in names:
        price = int(row[name])
        if price in (0, NO_PRICE) and name != "price_ticks":
            continue
        if not rules.in_limits(price) or not rules.steps.is_valid(price):
            return f"{name} {price} is not permitted"
    return ""


def _require_same(before: Engine, after: Engine) -> None:
    """Raise :class:`CarryError` unless the new state has the old one's orders and money."""
    was, now = before.state(), after.state()
    assert np.array_equal(was.rows, now.rows), "open orders stay"
    if before.hooks is None:
        return
    old, new = View(before.region), View(after.region)
    rows = len(old.participants)
    if old.open_orders() != new.open_orders():
        raise CarryError("the risk state's open orders are not those of before")
    assert np.array_equal(old.participants, new.participants[:rows]), "participants stay"
    if new.participants[rows:, lay.BALANCE // 8].any():
        raise CarryError("a new participant begins without money")
    if old.wallets is None or new.wallets is None:
        return
    for name in old.wallets.names:
        if old.wallets.total(name) != new.wallets.total(name):
            raise CarryError(f"the sum of {name} is not that of before")


def _copy_files(source: Path, target: Path) -> None:
    """Copy the files next to the journal; what a cut attempt had left is replaced."""
    for path in sorted(source.iterdir()):
        if any(path.match(pattern) for pattern in NOT_COPIED) or path.is_socket():
            continue
        to = target / path.name
        if path.is_dir():
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(path, to, copy_function=_copy_data)
        else:
            _copy_data(path, to)
    shutil.rmtree(sessions_checkpoint.folder_of(target), ignore_errors=True)


def _copy_data(source: str | Path, target: str | Path) -> None:
    """Copy a file with its mode and its holes: a session's stream has room for gigabytes."""
    with open(source, "rb") as read, open(target, "wb") as written:
        size, at = os.fstat(read.fileno()).st_size, 0
        written.truncate(size)
        while at < size:
            try:
                begin = os.lseek(read.fileno(), at, os.SEEK_DATA)
            except OSError:  # a hole to the end
                break
            at = os.lseek(read.fileno(), begin, os.SEEK_HOLE)
            os.lseek(written.fileno(), begin, os.SEEK_SET)
            left = at - begin
            while left:
                left -= os.sendfile(written.fileno(), read.fileno(), at - left, left)
        os.fsync(written.fileno())
    shutil.copymode(source, target)


def _carry_sessions(
    old: VenueFile, new: VenueFile, point: Point, journal_id: int, clock: Clock
) -> None:
    """Write the sessions' checkpoint of the new journal."""
    hooks = JournalReader(old.journal).config.get("hooks") or {}
    venue = Venue(replace(new, journal=old.journal), clock=clock)
    spec = venue.sessions_of(int(hooks.get("delayed", 0)))
    if spec is None:
        return
    path = sessions_checkpoint.carry_over(
        old.journal, new.journal, spec, new.instruments, point, journal_id
    )
    if path is None:
        raise CarryError(
            f"{old.journal}: its sessions' streams end before it: serve it once more, and stop it "
            "in good order"
        )


def _carry_ledger(old: Path, new: Path, config: Mapping[str, Any], point: Point) -> None:
    """Write the ledger's checkpoint of the new journal, if the old one has a ledger."""
    if ledger_state.checkpoints(old):
        ledger_state.carry_over(old, new, config, point)


def _lanes_at(old: VenueFile, reader: JournalReader, seq: int) -> dict[str, int]:
    """Return how many commands of each lane were sequenced up to the end."""
    lanes = list(reader.config.get("lanes", ["lane"]))
    if len(lanes) == 1:
        return {lanes[0]: seq}
    return dict(note_at(old.journal, seq).get(LANES, {}))


def _write_checkpoint(directory: Path, journal_id: int, point: Point, block: BlockId) -> None:
    facts = {
        "chain": point.chain,
        "trades": point.trades,
        "events": point.engine.event_count,
        "state_hash": point.engine.state_hash(),
        "senders": point.senders.as_json(),
        "written_ts_ns": 0,
    }
    state = point.engine.snapshot()
    write_checkpoint(directory, Checkpoint(journal_id, point.seq, block, facts, state))


def _seal(old: Path, new: Path, point: Point) -> None:
    """End the old journal with a block that names the directory which continues it."""
    writer = Journal.resume(old, direct=False)
    writer.evidence(
        {
            "commands": point.seq,
            "events": point.engine.event_count,
            "trades": point.trades,
            "state_hash": point.engine.state_hash(),
            "event_hash": hash_text(point.chain),
            KEY: state_layout(),
            CARRIED_TO: str(new.absolute()),
        }
    )
    writer.close()


def ended_of(directory: Path) -> Ended:
    """Return where a journal has ended, with its last block."""
    reader = JournalReader(directory)
    for _ in reader.all_blocks():
        pass
    segment = max(int(path.name[8:14]) for path in _segments(directory))
    return Ended(reader.journal_id, segment, reader.last_block, reader.last_seq)


def _segments(directory: Path) -> Iterator[Path]:
    return directory.glob("segment-*.ocj*")
