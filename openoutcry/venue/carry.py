"""Carry a stopped venue over to a new journal, which continues the one that has ended.

The venue file is as it is to be from now on.  The new journal has the old one's number, its next
segment, block and sequence, and its first block names where the old one ended.  What was open stays
open: orders with their places, money, positions, deposits and withdrawals under way, participants'
states, names that were used.  Instruments, participants and assets keep their numbers, and after
them come the new ones.

Nothing is written before everything is checked.  Then the new folder is made beside the old one, a
last block seals the old journal, and the two folders are exchanged in one step: the new one has the
journal's path, the old one the name JOURNAL-until-SEQ.  A process that is killed anywhere leaves a
venue that is served as before, or one that says that the same command has to finish its work.
"""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry
from openoutcry.journal import Journal, JournalLock, JournalReader, note_at
from openoutcry.journal.block import BlockId
from openoutcry.journal.checkpoint import checkpoint_of, recover
from openoutcry.journal.checkpoints import write_checkpoint
from openoutcry.journal.core import Core
from openoutcry.journal.disk import REAL
from openoutcry.journal.event_hash import hash_text
from openoutcry.journal.events import Point
from openoutcry.journal.journal import CARRIED_TO, SEGMENT_BYTES, carried_to
from openoutcry.journal.lock import LOCK_NAME
from openoutcry.journal.reader import following_of
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.segment import segment_numbers
from openoutcry.journal.state_layout import KEY, state_layout
from openoutcry.journal.tail import CARRIED, name_of_block
from openoutcry.journal.writer import Ended
from openoutcry.market_data import carry as feed_carry
from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import with_region
from openoutcry.matcher.rules import Rules
from openoutcry.matcher.state.snapshot import NO_PLACE, encode
from openoutcry.order_entry import sessions_checkpoint
from openoutcry.pipeline.resume import check_sessions
from openoutcry.ring.policy import POLICIES
from openoutcry.risk import layout as lay
from openoutcry.risk.carry import carry_region
from openoutcry.risk.region import CONTRACT_TERMS, View
from openoutcry.runtime.lanes import LANES
from openoutcry.venue import days
from openoutcry.venue.file import VenueFile
from openoutcry.venue.rules_desk import shown_rules
from openoutcry.venue.run_parts import sessions_of, wiring_of
from openoutcry.wire.enums import OrderType
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.order_types import PEGS, STOPS, UNPRICED
from openoutcry.wire.records import NO_PRICE, make_instruments
from openoutcry.wire.symbols import NAMES, coded, symbols_of

NOT_COPIED = (
    "segment-*", "checkpoint-*.occ*", "acknowledged", "retired", "failed", "lock", "upkeep",
    "desk.sock", "status.json", "canary.json", "served.json", feed_carry.FOLDER,
    "ledger",
)  # fmt: skip
"""Of the files next to a journal those that are its own, or are made anew."""
ROOM = "room"
"""Holds the disk space of the first segments until the old journal has its last block."""
MANY = 20
"""Orders that an error names."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2
Note = Callable[[str], None]


@dataclass(frozen=True)
class Carried:
    """A journal that has ended, and what continues it."""

    old: Path
    new: Path
    config: Mapping[str, Any]
    """Of the new journal."""
    point: Point
    """The new core after the last command of the old journal."""


class CarryError(OutcryError):
    """A venue cannot be carried over."""


def carry(file: VenueFile, note: Note = lambda text: None) -> dict[str, Any]:
    """Continue the journal of a stopped venue in a new one, by the venue's file as it is now.

    ``note`` is told each step.  Returns ``seq`` (the last command before), ``orders`` (that stay
    open), ``instruments`` (that are new), ``state_hash`` of the new state, and ``before``, the
    folder that the old journal has from now on.  Raises :class:`CarryError`, or the error of what
    is wrong, for a file that does not fit; then nothing was written."""
    _check_file(file)
    with ExitStack() as stack:
        stack.callback(JournalLock(file.journal).release)
        return _carry(file, note)


def _check_file(file: VenueFile) -> None:
    """Raise :class:`CarryError` for a venue that is never carried over."""
    if not Journal.exists(file.journal):
        raise CarryError(f"{file.path}: [venue] journal: {file.journal} has no journal")
    if file.replication is not None:
        raise CarryError(
            f"{file.path}: a replicated journal cannot be carried over: its standbys have the "
            "stream of the old one"
        )
    if file.is_test:
        raise CarryError(f"{file.path}: a test venue cannot be carried over; begin another one")
    if file.shards > 1 or file.partitions > 1:
        raise CarryError(f"{file.path}: several matchers cannot be carried over")
    had = (file.journal / feed_carry.FOLDER).is_dir()
    if had != (file.feed is not None):
        what = "has no [market_data], and the venue had a public feed"
        if not had:
            what = "has [market_data], and the journal began without a public feed"
        raise CarryError(f"{file.path} {what}: that stays")
    _require_no_mount(file.journal.resolve())


def rehearse(file: VenueFile) -> dict[str, Any]:
    """Find out whether the journal of a venue that is open can be continued by its file as it is
    now, if it ends here; nothing is written.

    Returns ``orders`` and ``instruments`` as :func:`carry` does, and raises what it raises."""
    _check_file(file)
    reader = JournalReader(file.journal)
    before, point, _ = _continued(file, reader)
    return _report(file, reader, before, point)


def _carry(file: VenueFile, note: Note) -> dict[str, Any]:
    journal = file.journal.resolve()
    following = following_of(journal)
    _tidy(journal, following)
    reader = JournalReader(journal)
    _check_end(reader, journal)
    before, point, config = _continued(file, reader)
    note(f"command {before.seq:,} is the last one, {point.engine.open_orders:,} orders are open")
    named = name_of_block(journal, before.seq)
    assert named is not None
    aside = aside_of(journal, before.seq)
    config[CARRIED] = {
        "journal": aside.name,
        "seq": before.seq,
        "block_index": named[1].block_index,
        "block_hash": named[1].block_hash.hex(),
        "state_hash": before.engine.state_hash(),
        "carried_state_hash": point.engine.state_hash(),
        "note": {LANES: _lanes_at(reader, before.seq)},
    }
    if file.calendar.never_closes:
        days.finish_days(journal, file.calendar, 0, sys.maxsize)
    try:
        _make(following)
        _prepare(file, Carried(journal, following, config, point), reader.journal_id)
    except (OutcryError, OSError) as error:
        shutil.rmtree(following, ignore_errors=True)
        if isinstance(error, OSError):
            raise CarryError(f"{following} cannot be made: {error.strerror}") from None
        raise
    if not carried_to(reader.evidence):
        _seal(journal, before)
    (following / ROOM).unlink()
    _begin(file, following, config, ended_of(journal))
    exchange(journal, following)
    following.rename(aside)
    note(f"{file.journal} continues; what was before is in {aside.name}")
    return _report(file, reader, before, point) | {"before": str(aside)}


def _continued(file: VenueFile, reader: JournalReader) -> tuple[Point, Point, dict[str, Any]]:
    """Return the state at the journal's end, the new core with it, and the new configuration."""
    before = recover(reader.directory)
    if not before.seq:
        raise CarryError(f"{reader.directory} has no command: begin a new journal instead")
    config = _config_of(reader.config, file)
    configs = [reader.config, *(row["config"] for row in reader.resumed if "config" in row)]
    check_sessions(reader.directory, configs[-1].get("sessions", []), config["sessions"])
    core, symbols = Core.of(config), symbols_of(reader.config)
    filed = make_instruments(reader.config["instruments"])
    _check_announced(filed, before.engine.instruments)
    _check_rules(filed, before.engine.instruments, core.instruments, symbols)
    engine = carried_engine(before.engine, core, symbols)
    _require_same(before.engine, engine)
    return before, replace(before, engine=engine), config


def _check_announced(filed: npt.NDArray[Any], in_force: npt.NDArray[Any]) -> None:
    """Raise :class:`CarryError` for a journal with pairs that no file has named."""
    if new := [bytes(one).decode() for one in in_force["symbol"] if one not in filed["symbol"]]:
        raise CarryError(
            f"{', '.join(new)}: announced while trading; a journal with such a pair cannot be "
            "carried over yet"
        )


def _report(file: VenueFile, reader: JournalReader, before: Point, point: Point) -> dict[str, Any]:
    symbols = symbols_of(reader.config)
    return {
        "seq": before.seq,
        "orders": point.engine.open_orders,
        "instruments": [symbol for symbol in file.symbols if symbol not in symbols],
        "state_hash": point.engine.state_hash(),
    }


def _prepare(file: VenueFile, carried: Carried, journal_id: int) -> None:
    """Make what the new folder has beside the journal, and its checkpoint."""
    _require_exchange(carried.new)
    _copy_files(carried.old, carried.new)
    _carry_sessions(file, carried.new, carried.point, journal_id)
    _carry_feed(file, carried.new, journal_id, carried.point.seq)
    _write_checkpoint(carried, journal_id)
    with (carried.new / ROOM).open("wb") as room:
        os.posix_fallocate(room.fileno(), 0, 2 * SEGMENT_BYTES)


def _make(following: Path) -> None:
    """Make the new folder, with a lock's file, by which :func:`_tidy` knows it."""
    following.mkdir(mode=0o700)
    JournalLock(following).release()


def _tidy(journal: Path, following: Path) -> None:
    """Remove what a process that was killed had begun; give the old journal its name if only that
    was missing."""
    if not os.path.lexists(following):
        return
    is_folder = following.is_dir() and not following.is_symlink()
    if is_folder and Journal.exists(following):
        reader = JournalReader(following)
        if reader.journal_id == JournalReader(journal).journal_id:
            if carried_to(reader.evidence):
                following.rename(aside_of(journal, reader.last_seq))
            else:
                shutil.rmtree(following)
            return
    elif is_folder and ((following / LOCK_NAME).exists() or not any(following.iterdir())):
        shutil.rmtree(following)
        return
    raise CarryError(f"{following} is in the way: its name is that of the new journal's folder")


def aside_of(journal: Path, seq: int) -> Path:
    """Return the name of the journal that has ended with a command, beside the one that goes on."""
    plain = journal.with_name(f"{journal.name}-until-{seq}")
    names = (plain.with_name(f"{plain.name}-{number}") for number in count(2))
    return next(path for path in chain([plain], names) if not path.exists())


def _require_no_mount(journal: Path) -> None:
    """Raise :class:`CarryError` for a folder that is where a file system is mounted: its name
    belongs to the mount."""
    try:
        os.rmdir(journal)  # never removes one that has files; of a mount the system says that first
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise CarryError(
                f"{journal} is a mount, whose name cannot be exchanged: have the journal in a "
                "folder of it"
            ) from None


def is_begun(journal: Path) -> bool:
    """Return whether the carrying over of a journal has come so far that only the same command
    goes on with it, or that another one has its name."""
    path = journal.resolve()
    return any(
        Journal.exists(one) and carried_to(JournalReader(one).evidence) != ""
        for one in (path, following_of(path))
    )


def _require_exchange(folder: Path) -> None:
    """Raise :class:`CarryError` now if two folders cannot be exchanged here."""
    pair = folder / "one", folder / "two"
    for path in pair:
        path.mkdir()
    try:
        exchange(*pair)
    finally:
        for path in pair:
            path.rmdir()


def _check_end(reader: JournalReader, journal: Path) -> None:
    """Raise :class:`CarryError` unless the journal ends with the end of a run."""
    if reader.evidence is None and reader.last_seq >= reader.first_seq:
        raise CarryError(
            f"{journal}: its last run was cut short: serve it once more, and stop it in good order"
        )
    if (to := carried_to(reader.evidence)) and Path(to).name != journal.name:
        raise CarryError(f"{journal} was carried over to {to}, which continues it")


def _begin(file: VenueFile, directory: Path, config: dict[str, Any], after: Ended) -> None:
    """Make the first segment of the new journal."""
    writer = Journal.create(
        directory,
        config,
        copies=file.copies,
        policy=file.policy if file.policy in POLICIES else "all",
        direct=False,
        known_as=file.journal,
        after=after,
    )
    writer.close()


def _config_of(before: Mapping[str, Any], file: VenueFile) -> dict[str, Any]:
    """Return the configuration of the new journal: the old one's with what the file says now."""
    if before.get("source") != f"venue {file.name}":
        raise CarryError(
            f"{file.path}: [venue] name is {file.name}, and the journal is that of "
            f"{before.get('source')}"
        )
    hooks, was = dict(file.hooks), before.get("hooks") or {}
    for name in ("participants", "groups", "asset_capacity", "delayed"):
        if name in was or name in hooks:
            hooks[name] = max(int(was.get(name, 0)), int(hooks.get(name, 0)))
    config = {
        **before,
        "program": f"openoutcry {openoutcry.__version__}",
        "instruments": instruments_to_json(file.instruments),
        NAMES: coded(file.symbols),
        "order_capacity": file.order_capacity,
        "hooks": hooks,
        "gateway": file.gateway,
        "lanes": [lane.name for lane in wiring_of(file).for_durability(file.durability).lanes],
        "sessions": [
            f"{row.name} {row.protocol.name} of participant {row.participant}"
            for row in file.sessions.sessions
        ],
    }
    if not config[NAMES]:
        del config[NAMES]
    config.pop(CARRIED, None)
    _check_symbols(before, config["instruments"], file)
    _check_terms(was, hooks, symbols_of(before))
    return config


def _check_terms(was: Mapping[str, Any], now: Mapping[str, Any], symbols: list[str]) -> None:
    """Require that what an instrument is worth stays as the file said it.  The core may have others
    in force: a split of the underlying changes them."""
    for index, symbol in enumerate(symbols):
        before, terms = (_terms_of(hooks, index) for hooks in (was, now))
        for name in before:
            if before[name] != terms[name]:
                raise CarryError(f"{symbol}: {name} was {before[name]}, not {terms[name]}")


def _terms_of(hooks: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the terms of an instrument that its history is made of."""
    contracts, delivered = (
        {row[0]: row[1:] for row in hooks.get(name, ())} for name in ("contracts", "delivered")
    )
    terms = contracts.get(index, [None] * len(CONTRACT_TERMS))
    return dict(zip(CONTRACT_TERMS, terms, strict=True)) | {
        "multiplier": (hooks.get("multipliers") or [1] * (index + 1))[index],
        "leveraged": index in hooks.get("leveraged", ()),
        "units a lot": terms[CONTRACT_TERMS.index("multiplier")],
        "delivery": delivered.get(index),
        "[[funding]]": index in hooks.get("funded", ()),
    }


def _check_rules(
    filed: npt.NDArray[Any], in_force: npt.NDArray[Any], now: npt.NDArray[Any], symbols: list[str]
) -> None:
    """Require that the file says the rules that a command has changed: what it still says as it was
    when the journal began would take the change back."""
    for index, symbol in enumerate(symbols):
        before, rules, row = (shown_rules(table[index]) for table in (filed, in_force, now))
        for key, text in rules.items():
            if text != before[key] == row[key]:
                raise CarryError(
                    f"{symbol}: {key} is {text or 'nothing'} by command, and the file says "
                    f"{row[key] or 'nothing'}: write what is in force into the file first"
                )


def _check_symbols(before: Mapping[str, Any], now: list[dict[str, Any]], file: VenueFile) -> None:
    """Instruments keep their places: the new table begins with the symbols of the old one."""
    are = [row["symbol"] for row in now]
    for place, (row, symbol) in enumerate(
        zip(before["instruments"], symbols_of(before), strict=True)
    ):
        code = row["symbol"]
        if place < len(are) and are[place] == code:
            continue
        if code not in are:
            raise CarryError(
                f"{file.path}: {symbol} is not in it: an instrument stays, closed if it is not "
                "traded any more"
            )
        raise CarryError(
            f"{file.path}: {symbol} is instrument {are.index(code) + 1} there, and {place + 1} in "
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
            if (why := off_rules(now[index], row))
        ]
    if wrong:
        more = f" (and {len(wrong) - MANY} more)" if len(wrong) > MANY else ""
        raise CarryError(
            f"{len(wrong)} open orders do not fit the new rules; cancel them first: "
            + "; ".join(wrong[:MANY])
            + more
        )


def off_rules(instrument: Any, row: Any) -> str:
    """Return what of an open order a row of the instrument table does not permit, "" if it permits
    all of it."""
    rules = Rules(instrument)
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


def _carry_sessions(file: VenueFile, following: Path, point: Point, journal_id: int) -> None:
    """Write the sessions' checkpoint of the new journal."""
    hooks = JournalReader(file.journal).config.get("hooks") or {}
    # As they were when the journal ended, whenever that was.
    spec = sessions_of(file, point.engine.now_ns, int(hooks.get("delayed", 0)))
    if spec is None:
        return
    path = sessions_checkpoint.carry_over(
        file.journal, following, spec, file.instruments, point, journal_id
    )
    if path is None:
        raise CarryError(
            f"{file.journal}: its sessions' streams end before it: serve it once more, and stop it "
            "in good order"
        )


def _carry_feed(file: VenueFile, following: Path, journal_id: int, seq: int) -> None:
    """Write the public feed's checkpoint of the new journal."""
    if file.feed is not None:
        feed_carry.carry_over(
            file.journal,
            following,
            file.feed,
            file.instruments,
            file.order_capacity,
            journal_id,
            seq,
        )


def _lanes_at(reader: JournalReader, seq: int) -> dict[str, int]:
    """Return how many commands of each lane were sequenced up to the end."""
    lanes = list(reader.config.get("lanes", ["lane"]))
    if len(lanes) == 1:
        return {lanes[0]: seq}
    return dict(note_at(reader.directory, seq).get(LANES, {}))


def _write_checkpoint(carried: Carried, journal_id: int) -> None:
    before = carried.config[CARRIED]
    block = BlockId(before["block_index"], bytes.fromhex(before["block_hash"]))
    write_checkpoint(carried.new, checkpoint_of(carried.point, journal_id, block))


def _seal(journal: Path, point: Point) -> None:
    """End the old journal with a block after which no run continues it."""
    writer = Journal.resume(journal, direct=False)
    writer.evidence(
        {
            "commands": point.seq,
            "events": point.engine.event_count,
            "trades": point.trades,
            "state_hash": point.engine.state_hash(),
            "event_hash": hash_text(point.chain),
            KEY: state_layout(),
            CARRIED_TO: str(journal),
        }
    )
    writer.close()


def exchange(first: Path, second: Path) -> None:
    """Exchange the names of two folders in one step, durably.  Raises :class:`CarryError` where the
    file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE):
        why = os.strerror(ctypes.get_errno())
        raise CarryError(f"{first}: this file system cannot exchange two folders: {why}")
    REAL.sync_directory(first.parent)


def ended_of(directory: Path) -> Ended:
    """Return where a journal has ended, with its last block."""
    reader = JournalReader(directory)
    for _ in reader.all_blocks():
        pass
    segment = segment_numbers(directory)[-1]
    return Ended(reader.journal_id, segment, reader.last_block, reader.last_seq)
