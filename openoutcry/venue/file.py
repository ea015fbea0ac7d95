"""The venue file: everything that a venue is, in one file that a person can read.

Strict: unknown keys, wrong types, duplicates, overlaps and references to nothing are mistakes.  The
reader reports all of them at once, each with its line and key (docs/venue.md).
"""

import grp
import pwd
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import NETWORKS_MAX, SESSIONS_MAX, PacketSession
from openoutcry.dpdk_shim.spec import PortError, PortSpec, parse_port
from openoutcry.journal import Journal, JournalReader
from openoutcry.market_data.spec import FeedSpec
from openoutcry.order_entry import spec
from openoutcry.order_entry.shm_layout import MAX_RANGES
from openoutcry.order_entry.tls import server_context
from openoutcry.pipeline.gate_policy import POLICIES
from openoutcry.risk.partitioned import MAX_PARTITIONS
from openoutcry.risk.region import MAX_CELLS
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.table import MAX_SHARDS
from openoutcry.venue.calendar import Calendar
from openoutcry.venue.calendar_tables import read_calendar, read_instruments
from openoutcry.venue.division import check_division
from openoutcry.venue.durability_table import read_durability
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.feed_table import read_feed
from openoutcry.venue.instrument_slots import expand_slots
from openoutcry.venue.limits import hook_settings, risk_rows
from openoutcry.venue.operators import Operator
from openoutcry.venue.ouch_limits import check_ouch
from openoutcry.venue.risk_tables import RiskSpec, read_risk
from openoutcry.venue.series_tables import SeriesSpec, expand_series
from openoutcry.venue.session_keys import (
    ADMISSION,
    IN_FILE_ONLY,
    MAX_SLOTS,
    PROTOCOLS,
    TERMS,
    password_hash,
)
from openoutcry.venue.spot_tables import has_spot
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, Mistake, Tables, read_tables
from openoutcry.wire.urls import password_of

MAX_WALLET_ASSETS = 248
"""As many as the ledger has room for."""
UNAUTHENTICATED = "packets-unauthenticated"
PACKETS = ("packets", UNAUTHENTICATED)
KEYED = (spec.Protocol.PACKETS, spec.Protocol.SHM)
"""Protocols whose sessions have a key in place of a password."""
SHM_PATH = "shm.socket"
UNIX_PATH_MAX = 107
RANGES = re.compile(r"[0-9]+(-[0-9]+)?(, ?[0-9]+(-[0-9]+)?)*")
SOUPBIN = (spec.Protocol.OUCH42, spec.Protocol.OUCH50, spec.Protocol.DROP_COPY)
SOUPBIN_NAME = 6
SESSION_SHARE = 4
"""A session may hold this part of the book (of a partition's, if it is divided), where its row says
nothing else."""
TABLES = (
    "venue", "calendar", "schedule", "instrument", "participant", "session", "port", "limits",
    "operator", "market_data", "protection", "breaker", "liquidation", "asset", "fee_schedule",
    "fees", "durability", "session_slots", "contract", "margin", "index", "series", "funding",
    "instrument_slots",
)  # fmt: skip


class VenueFileError(OutcryError):
    """A venue file has mistakes: all of them, in the order of their lines."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        self.path = path
        self.mistakes = sorted(mistakes)
        super().__init__("\n".join(f"{path}: {mistake}" for mistake in self.mistakes))


@dataclass(frozen=True)
class Participant:
    """``number``: in commands and events, from 1; ``group``: of participants, for limits and
    switches; ``admission``: what it may enter, and over which protocols."""

    number: int
    name: str
    group: str
    admission: spec.Admission = field(default_factory=spec.Admission)


@dataclass(frozen=True)
class VenueFile:
    """A venue file's contents, checked."""

    path: Path
    name: str
    instruments: npt.NDArray[Any]
    symbols: tuple[str, ...]
    """Symbols of the instruments, as participants see them."""
    calendar: Calendar
    participants: tuple[Participant, ...]
    sessions: spec.SessionsSpec
    packets: PortSpec | None
    """Where order packets are taken."""
    packet_sessions: tuple[PacketSession, ...]
    """Their participants; none: any."""
    journal: Path
    durability: str
    volatile_journal: bool
    copies: tuple[Path, ...]
    policy: str
    replication: Replication | None
    """Where the journal is replicated."""
    checkpoint_every: int
    retention_days: int
    order_capacity: int
    participant_capacity: int
    asset_capacity: int
    """Numbers of participants that may be added while trading are up to this."""
    shards: int
    """Matchers that share the instruments,"""
    partitions: int
    """and parts that risk has the instruments in, at least as many."""
    housekeeping_cores: int
    gateway: str
    """Which gateway validates: the golden model or the RTL."""
    speed_bump_us: int
    """Delay at the core of what participants send"""
    speed_bump_window_us: int
    """and so much more at most, which is drawn,"""
    speed_bump_seed: int
    """from this seed; 0: another one each time that the venue is served."""
    speed_bump_orders: int
    """Commands that may wait."""
    feed: FeedSpec | None
    """The public market data."""
    risk: RiskSpec
    canary: bool
    """A build that has not served this journal yet opens it after its canary alone."""
    collect_fees: bool
    """Fees by schedule are collected after each finished day."""
    number: int = 0
    """63 bits of a hash over the file's bytes: which configuration this is."""
    is_test: bool = False
    """Its journal is that of a test venue, with faults on purpose."""
    warnings: tuple[Mistake, ...] = ()
    """What a new venue's file may not say, and this one does since an older release."""

    @property
    def shown_name(self) -> str:
        """Return the name as people see it: a test venue is called one."""
        return self.name + " (TEST VENUE)" * self.is_test

    @property
    def delayed(self) -> int:
        """Commands that may wait at the speed bump; 0: the venue has no speed bump."""
        bump = self.speed_bump_us or self.speed_bump_window_us
        return self.speed_bump_orders if bump else 0

    @property
    def hooks(self) -> dict[str, Any]:
        """The risk settings for the configuration of a journal that begins with this file."""
        return hook_settings(
            [participant.number for participant in self.participants],
            self.order_capacity,
            self.risk,
            self.delayed,
            self.partitions,
            self.participant_capacity,
            self.asset_capacity,
        )


def endpoint(value: Any) -> tuple[str, int]:
    """HOST:PORT."""
    host, _, port = toml_tables.text()(value).rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT with a port from 0 to 65535")
    return host.strip("[]"), int(port)


def packet_device(value: Any) -> PortSpec:
    """A port of the packet shim that stays open and has a way back."""
    try:
        device = parse_port(toml_tables.text()(value))
    except PortError as error:
        raise ValueError(str(error)) from None
    if device.kind == "pcap":
        raise ValueError(f"{value!r}: a capture cannot send replies; use another device")
    if device.framing:
        raise ValueError(
            f"{value!r}: MoldUDP64 packets have no authentication tag; use another format"
        )
    return device


def session_key(value: Any) -> bytes:
    """Read the key of a session, 32 bytes as hexadecimal digits. Raises ``ValueError`` for anything
    else."""
    if type(value) is not str or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("is not 64 hexadecimal digits; make a key with `outcry venue key`")
    return bytes.fromhex(value)


def ranges(value: Any) -> tuple[tuple[int, int], ...]:
    """Ranges of participants, as "1000-1999, 2500"."""
    if type(value) is not str or not RANGES.fullmatch(value):
        raise ValueError(f'{value!r} is not ranges of participants, such as "1000-1999, 2500"')
    pairs = [part.strip().partition("-") for part in value.split(",")]
    ends = tuple((int(first), int(last or first)) for first, _, last in pairs)
    if len(ends) > MAX_RANGES:
        raise ValueError(f"{value!r} are more than {MAX_RANGES} ranges")
    for first, last in ends:
        if not 1 <= first <= last <= 65_535:
            raise ValueError(f"{first}-{last} is not a range of participants from 1 to 65535")
    return ends


def user_id(value: Any) -> int:
    """Return the number of a system user that is given by name or number."""
    return _system_id(value, "user", lambda name: pwd.getpwnam(name).pw_uid)


def group_id(value: Any) -> int:
    """Return the number of a system group that is given by name or number."""
    return _system_id(value, "group", lambda name: grp.getgrnam(name).gr_gid)


def _system_id(value: Any, what: str, number_of: Callable[[str], int]) -> int:
    if type(value) is int and 0 <= value < 1 << 31:
        return value
    try:
        return number_of(toml_tables.text()(value))
    except KeyError:
        raise ValueError(f"{value!r} is not a {what} of this system") from None


def power_of_two(value: Any) -> int:
    """Read a number from 2 to 2^26. Raises ``ValueError`` if it is no power of two."""
    number = toml_tables.integer(2, 1 << 26)(value)
    if number & (number - 1):
        raise ValueError(f"{number} is not a power of two")
    return number


CHECKPOINT_EVERY = 100_000
"""Commands.  A stage that is restarted repeats at most so many: about a second's work."""
VENUE = {
    "name": Key(toml_tables.text(20)),
    "journal": Key(toml_tables.text()),
    "durability": Key(
        toml_tables.one_of({d: d for d in ("durable", "async", "replicated")}), "durable"
    ),
    "volatile_journal": Key(toml_tables.boolean, False),
    "copies": Key(toml_tables.list_of(toml_tables.text()), ()),
    "policy": Key(toml_tables.one_of({p: p for p in POLICIES}), "all"),
    "checkpoint_every": Key(toml_tables.integer(0, 10**12), CHECKPOINT_EVERY),
    "retention_days": Key(toml_tables.integer(0, 36_500), 0),
    "order_capacity": Key(power_of_two, 1 << 17),
    "participant_capacity": Key(toml_tables.integer(0, (1 << 16) - 1), 0),
    "asset_capacity": Key(toml_tables.integer(0, MAX_WALLET_ASSETS), 0),
    "shards": Key(toml_tables.integer(1, MAX_SHARDS), 1),
    "partitions": Key(toml_tables.integer(1, MAX_PARTITIONS), 1),
    "housekeeping_cores": Key(toml_tables.integer(0, 1024), 1),
    "gateway": Key(toml_tables.one_of({"golden": "golden", "rtl": "rtl"}), "golden"),
    "speed_bump_us": Key(toml_tables.integer(0, 100_000), 0),
    "speed_bump_window_us": Key(toml_tables.integer(0, 100_000), 0),
    "speed_bump_seed": Key(toml_tables.integer(1, 1 << 62), 0),
    "speed_bump_orders": Key(toml_tables.integer(16, 1 << 20), 1 << 16),
    "canary": Key(toml_tables.boolean, False),
    "collect_fees": Key(toml_tables.boolean, False),
    "failures_before_lock": Key(toml_tables.integer(1, 100), 5),
    "lock_s": Key(toml_tables.integer(1, 86_400), 60),
}
PARTICIPANT = {
    "number": Key(toml_tables.integer(1, 65_535)),
    "name": Key(toml_tables.text(32)),
    "group": Key(toml_tables.text(32), ""),
    **ADMISSION,
    "protocols": Key(toml_tables.list_of(toml_tables.one_of(PROTOCOLS)), ()),
}
SESSION = {
    "name": Key(toml_tables.text(32)),
    "protocol": Key(toml_tables.one_of(PROTOCOLS)),
    "participant": Key(toml_tables.integer(1, 65_535), 0),
    "group": Key(toml_tables.text(32), ""),
    "password": Key(password_hash, ""),
    "key": Key(session_key, b""),
    **TERMS,
    "target": Key(toml_tables.text(32), ""),
    "user": Key(user_id, -1),
    "user_group": Key(group_id, -1),
    "acts_for": Key(ranges, ()),
    "rings": Key(toml_tables.boolean, False),
}


def slot_protocol(value: Any) -> spec.Protocol:
    """Return the protocol of sessions that may be added while the venue trades."""
    protocol = toml_tables.one_of(PROTOCOLS)(value)
    if protocol in IN_FILE_ONLY:
        raise ValueError(
            f"{value!r}: such a session can only be in the venue file: {IN_FILE_ONLY[protocol]}"
        )
    return spec.Protocol(protocol)


SESSION_SLOTS = {
    "protocol": Key(slot_protocol),
    "count": Key(toml_tables.integer(1, MAX_SLOTS)),
}
PORT = {
    "protocol": Key(toml_tables.one_of({**PROTOCOLS, UNAUTHENTICATED: None})),
    "address": Key(endpoint, None),
    "device": Key(packet_device, None),
    "certificate": Key(toml_tables.text(), ""),
    "key": Key(toml_tables.text(), ""),
    "path": Key(toml_tables.text(), ""),
}


SAME = ("name", "durability", "volatile_journal", "policy", "checkpoint_every",
    "retention_days", "order_capacity", "participant_capacity", "asset_capacity", "shards",
    "partitions", "collect_fees",
    "housekeeping_cores", "gateway", "canary", "speed_bump_us", "speed_bump_window_us",
    "speed_bump_seed", "speed_bump_orders")  # fmt: skip
"""Keys of ``[venue]`` that are attributes of :class:`VenueFile`, too."""


def read_venue(path: Path) -> VenueFile:
    """The venue that a file describes.

    Raises :class:`VenueFileError` with every mistake in it.
    """
    if not path.exists():
        raise OutcryError(f"{path}: there is no such file; `outcry venue init` makes a venue")
    tables = read_tables(path, partial(VenueFileError, path))
    venue = _venue_of(path, tables)
    if tables.mistakes:
        raise VenueFileError(path, tables.mistakes)
    assert venue is not None
    number = int.from_bytes(blake2b(tables.text.encode(), digest_size=8).digest()) >> 1
    return replace(venue, number=number, is_test=is_of_test_venue(venue.journal))


def is_of_test_venue(journal: Path) -> bool:
    """Return whether a journal is that of a test venue; one that cannot be read is reported where
    it is opened."""
    try:
        return Journal.exists(journal) and JournalReader(journal).is_test
    except OutcryError:
        return False


def _check_mode(
    path: Path,
    tables: Tables,
    sessions: Sequence[PacketSession | spec.SessionSpec],
    replication: Replication | None,
    operators: Sequence[Operator],
) -> None:
    """A file with a secret may be read by its owner alone."""
    nats = (replication.nats or "") if replication is not None else ""
    for what, is_there in (
        ("session keys", any(session.key for session in sessions)),
        ("NATS' password", any(map(password_of, nats.split(",")))),
        ("secrets of codes", any(operator.totp for operator in operators)),
    ):
        if is_there and path.stat().st_mode & 0o077:
            tables.wrong((), f"holds {what}, and other users may read it; run chmod 600 {path}")


def _venue_of(path: Path, tables: Tables) -> VenueFile | None:
    tables.only((), tables.document, TABLES)
    series = _expand(tables)
    venue = tables.table("venue", VENUE)
    folder = path.absolute().parent
    tables.is_accepted = bool(venue["journal"]) and Journal.exists(folder / venue["journal"])
    calendar, traded = read_calendar(tables)
    instruments, decimals = read_instruments(tables, traded)
    participants = _participants(tables)
    share = (venue["order_capacity"] or 0) // (venue["partitions"] or 1) // SESSION_SHARE
    sessions, packet_sessions = _sessions(
        tables, participants, venue["name"] or "", share, venue["participant_capacity"] or 0
    )
    ports, packets = _ports(tables, path.parent)
    # Packets without sessions name their sender, which may be any participant.
    by_packets = [p.participant for p in packet_sessions] or [p.number or 0 for p in participants]
    numbers = {one.number: one.group for one in participants if one.number is not None}
    symbols, every_s = [one.symbol for one in traded], calendar.time_every_s if calendar else 1
    risk = read_risk(tables, numbers, symbols, password_hash, every_s, folder, series)
    _check_cells(tables, participants, venue, len(traded))
    replication = read_durability(
        tables, folder, venue["name"] or "", venue["durability"], venue["policy"]
    )
    check_division(tables, venue)
    not_by_ouch = check_ouch(tables, sessions)
    feed = read_feed(tables, instruments, decimals)
    _check_feed_name(tables, feed, venue["name"] or "")
    _check_mode(path, tables, [*packet_sessions, *sessions], replication, risk.operators)
    if tables.mistakes or instruments is None or calendar is None:
        return None
    return VenueFile(
        path=path,
        instruments=instruments,
        symbols=tuple(decimals),
        calendar=calendar,
        participants=tuple(participants),
        sessions=spec.SessionsSpec(
            tuple(sessions),
            tuple(ports),
            packet_participants=tuple(by_packets) if packets else (),
            name=venue["name"],
            symbols=tuple(decimals),
            price_decimals=decimals,
            not_by_ouch=not_by_ouch,
            paid_in=_paid_in(risk.money),
            failures_before_lock=venue["failures_before_lock"],
            lock_s=float(venue["lock_s"]),
            row_capacity=venue["order_capacity"],
            admissions={one.number: one.admission for one in participants},
        ),
        packets=packets,
        packet_sessions=tuple(packet_sessions),
        journal=folder / venue["journal"],
        copies=tuple(folder / copy for copy in venue["copies"]),
        replication=replication,
        feed=feed,
        risk=risk,
        warnings=tuple(tables.warnings),
        **{name: venue[name] for name in SAME},
    )


def _expand(tables: Tables) -> tuple[SeriesSpec, ...]:
    """Add the instruments that the file names by rule, and those that it has only room for."""
    series = expand_series(tables)
    expand_slots(tables)
    return series


def _paid_in(money: MoneySpec) -> dict[str, spec.PaidIn]:
    """The assets of spot instruments, for the sessions' reports."""

    def one(name: str) -> spec.AssetName:
        return spec.AssetName(name, money.assets[name])

    return {
        symbol: spec.PaidIn(one(terms.base), one(terms.quote))
        for symbol, terms in money.spot.items()
    }


def _check_cells(
    tables: Tables, participants: list[Participant], venue: dict[str, Any], instruments: int
) -> None:
    """The risk state has a cell for each participant's number in each instrument."""
    capacity, asset_capacity = venue["participant_capacity"] or 0, venue["asset_capacity"] or 0
    rows = max(risk_rows(participant.number or 0 for participant in participants), capacity + 1)
    if rows * instruments > MAX_CELLS:
        tables.wrong(
            ("participant",),
            f"numbers up to {rows:,} with {instruments} instruments are more than {MAX_CELLS:,} "
            "positions: number participants from 1 on",
        )
    assets = max(len(tables.given_rows("asset")), asset_capacity) if has_spot(tables) else 0
    if asset_capacity and not has_spot(tables):
        tables.wrong(("venue", "asset_capacity"), "the venue has no spot instrument")
    if rows * assets > MAX_CELLS:
        tables.wrong(
            ("participant",),
            f"numbers up to {rows:,} with {assets} assets are more than {MAX_CELLS:,} wallets: "
            "number participants from 1 on",
        )


def _participants(tables: Tables) -> list[Participant]:
    rows = tables.rows("participant", PARTICIPANT)
    tables.distinct([((*path, "number"), row["number"]) for path, row in rows], "number")
    tables.distinct([((*path, "name"), row["name"]) for path, row in rows], "name")
    participants = [
        Participant(
            row["number"],
            row["name"],
            row["group"],
            spec.Admission(
                row["order_types"],
                row["times_in_force"],
                row["lists"],
                row["quotes"],
                frozenset(row["protocols"] or ()),
            ),
        )
        for _, row in rows
    ]
    _check_unauthenticated(tables, participants)
    return participants


def _sessions(
    tables: Tables, participants: list[Participant], venue: str, share: int, capacity: int
) -> tuple[list[spec.SessionSpec], list[PacketSession]]:
    """The sessions of the session layer, and those that send packets.  ``share``: open orders of
    one that says nothing of them."""
    rows = tables.rows("session", SESSION)
    tables.distinct([((*path, "name"), row["name"]) for path, row in rows], "name")
    packets = [(p, r) for p, r in rows if r["protocol"] == spec.Protocol.PACKETS]
    owners = [((*path, "participant"), row["participant"] or None) for path, row in packets]
    tables.distinct(owners, "a session for packets of participant")
    if len(packets) > SESSIONS_MAX:
        tables.wrong(packets[SESSIONS_MAX][0], f"more than {SESSIONS_MAX:,} sessions of packets")
    for path, row in rows:
        _check_session(tables, path, row, participants, venue, capacity)
    sessions = [
        (tables.line_of(path), _session(row, participants, share))
        for path, row in rows
        if row["protocol"] != spec.Protocol.PACKETS
    ]
    return (
        [one for _, one in sorted([*sessions, *_slots(tables, share)], key=lambda row: row[0])],
        [PacketSession(row["participant"], row["key"], row["networks"]) for _, row in packets],
    )


def _slots(tables: Tables, share: int) -> list[tuple[int, spec.SessionSpec]]:
    """Room for sessions that are added while the venue trades, each with its line.  A slot has its
    place among the sessions by its line, and a name that no session can have."""
    found: list[tuple[int, spec.SessionSpec]] = []
    for path, row in tables.rows("session_slots", SESSION_SLOTS):
        protocol, count = row["protocol"], row["count"]
        if protocol is None or count is None:
            continue
        if len(found) + count > MAX_SLOTS:
            tables.wrong((*path, "count"), f"more than {MAX_SLOTS:,} slots")
            break
        for _ in range(count):
            name = f"+{len(found) + 1}"
            slot = spec.SessionSpec(name, 0, protocol, "", max_open_orders=share, slot=True)
            found.append((tables.line_of(path), slot))
    return found


def _session(row: dict[str, Any], participants: list[Participant], share: int) -> spec.SessionSpec:
    most = row["max_open_orders"]
    return spec.SessionSpec(
        name=row["name"],
        participant=row["participant"],
        protocol=row["protocol"],
        password_hash=row["password"],
        networks=row["networks"],
        cancel_on_disconnect=row["cancel_on_disconnect"],
        grace_ms=row["grace_ms"],
        throttle_per_s=row["messages_per_s"],
        throttle_burst=row["burst"],
        throttle_policy=row["over_limit"],
        max_open_orders=share if most is None else most,
        self_trade=row["self_trade"],
        heartbeat_ms=row["heartbeat_ms"],
        timeout_ms=row["timeout_ms"],
        takeover=row["second_login"],
        queue_bytes=row["queue_bytes"],
        group=tuple(p.number for p in participants if row["group"] and p.group == row["group"]),
        target=row["target"],
        key=row["key"],
        uid=row["user"],
        gid=row["user_group"],
        acts_for=row["acts_for"],
        rings=row["rings"],
        **{key: row[key] for key in ADMISSION},
    )


def _check_session(
    tables: Tables,
    path: Any,
    row: dict[str, Any],
    participants: list[Participant],
    venue: str,
    capacity: int,
) -> None:
    name, protocol = row["name"], row["protocol"]
    if protocol in SOUPBIN and name is not None and not _fits(name, SOUPBIN_NAME):
        tables.wrong(
            (*path, "name"),
            f"{name!r}: a SoupBinTCP login has 1 to {SOUPBIN_NAME} letters and digits",
        )
    if protocol == spec.Protocol.SHM:
        _check_shm(tables, path, row)
    for key in ("user", "user_group", "acts_for", "rings"):
        if protocol not in (None, spec.Protocol.SHM) and key in _row(tables, path):
            tables.wrong((*path, key), "applies only to sessions over shared memory")
    if protocol in spec.FIX_BEGIN:
        _check_comp_ids(tables, path, name, row["target"] or venue)
    if row["target"] and protocol is not None and protocol not in spec.FIX_BEGIN:
        tables.wrong((*path, "target"), "applies only to FIX sessions")
    if row["group"] and protocol is not None and protocol not in spec.DROP_COPIES:
        tables.wrong((*path, "group"), "applies only to drop copies")
    if row["group"] and row["group"] not in {participant.group for participant in participants}:
        tables.wrong((*path, "group"), f"no participant is in group {row['group']!r}")
    known = {participant.number for participant in participants}
    # A number within the capacity is a participant's that is added while the venue trades.
    if row["participant"] and row["participant"] not in known and row["participant"] > capacity:
        tables.wrong((*path, "participant"), f"there is no participant {row['participant']}")
    if bool(row["participant"]) == bool(row["group"]):
        which = "a participant and a group" if row["group"] else "no participant"
        tables.wrong((*path, "participant"), f"the session has {which}")
    _check_secret(tables, path, row)
    _check_admission(tables, path, row, participants)
    if row["timeout_ms"] <= row["heartbeat_ms"]:
        tables.wrong((*path, "timeout_ms"), "must be longer than heartbeat_ms")


def _check_admission(
    tables: Tables, path: Any, row: dict[str, Any], participants: list[Participant]
) -> None:
    """What a session or its participant may enter is checked where the session checks it."""
    protocol = row["protocol"]
    enters = protocol not in (None, *spec.DROP_COPIES)
    for key in ADMISSION:
        if key in _row(tables, path) and (not enters or protocol == spec.Protocol.PACKETS):
            tables.wrong((*path, key), "applies only to sessions that enter orders, not packets")
    for one in participants if enters else ():
        limits = one.admission
        if one.number == row["participant"]:
            if limits.protocols and protocol not in limits.protocols:
                text = f"participant {one.number} has no sessions of this protocol"
                tables.wrong((*path, "protocol"), text)
            elif limits.limits_orders and protocol == spec.Protocol.PACKETS:
                text = f"what participant {one.number} may enter is not checked on order packets"
                tables.wrong((*path, "protocol"), text)
        elif limits != spec.Admission() and any(
            first <= (one.number or 0) <= last for first, last in row["acts_for"] or ()
        ):
            text = f"a broker's session does not check what participant {one.number} may enter"
            tables.wrong((*path, "acts_for"), text)


def _check_unauthenticated(tables: Tables, participants: list[Participant]) -> None:
    """Packets without sessions name their sender, which may be any participant."""
    limited = [one.number for one in participants if one.admission != spec.Admission()]
    for path, row in tables.given_rows("port") if limited else ():
        if row.get("protocol") == UNAUTHENTICATED:
            text = f"what participant {limited[0]} may enter is not checked on such packets"
            tables.wrong((*path, "protocol"), text)


def _check_shm(tables: Tables, path: Any, row: dict[str, Any]) -> None:
    """A session over shared memory: its name, and what a login over TCP needs."""
    name = row["name"]
    if name is not None and not spec.FIX_NAME.fullmatch(name):
        tables.wrong(
            (*path, "name"),
            f"{name!r}: a session over shared memory has 1 to 32 letters, digits, - _ .",
        )
    ports = tables.given_rows("port")
    over_tcp = [port for _, port in ports if port.get("protocol") == "shm" and "address" in port]
    if row["networks"] and not over_tcp:
        tables.wrong((*path, "networks"), "no port of shm has an address for logins from there")
    if row["networks"] and not row["rings"]:
        tables.wrong((*path, "rings"), "a session that logs in over TCP needs rings = true")


def _check_comp_ids(tables: Tables, path: Any, name: str | None, ours: str) -> None:
    if name is not None and not spec.FIX_NAME.fullmatch(name):
        tables.wrong(
            (*path, "name"), f"{name!r}: a session of FIX has 1 to 32 letters, digits, - _ ."
        )
    if name == ours:
        tables.wrong((*path, "name"), f"{name!r} is also the venue's CompID")
    if not (ours.isascii() and ours.isprintable()):
        tables.wrong((*path, "target"), f"{ours!r}: a CompID is printable ASCII")


def _check_feed_name(tables: Tables, feed: FeedSpec | None, ours: str) -> None:
    if feed and feed.fix and not (ours.isascii() and ours.isprintable()):
        tables.wrong(("market_data", "fix"), f"{ours!r}: the venue's CompID is printable ASCII")


def _check_secret(tables: Tables, path: Any, row: dict[str, Any]) -> None:
    """Packets and shared memory have a key, all others a password."""
    if row["protocol"] is None:
        return
    packets = row["protocol"] == spec.Protocol.PACKETS
    keyed = row["protocol"] in KEYED
    needed, other = ("key", "password") if keyed else ("password", "key")
    session = tables.document[path[0]][path[1]]
    if needed not in session:
        tables.wrong((*path, needed), "is missing")
    if other in session:
        tables.wrong((*path, other), f"a session of this protocol has a {needed}")
    if packets and any(network.version != 4 for network in row["networks"]):
        tables.wrong((*path, "networks"), "order packets need IPv4")
    if packets and len(row["networks"]) > NETWORKS_MAX:
        tables.wrong((*path, "networks"), f"a session for packets has at most {NETWORKS_MAX}")


def _fits(name: str, most: int) -> bool:
    return len(name) <= most and name.isascii() and name.isalnum()


def _ports(tables: Tables, folder: Path) -> tuple[list[spec.PortSpec], PortSpec | None]:
    """The ports of the session layer, and the one of packets."""
    rows = tables.rows("port", PORT)
    _check_addresses(tables, rows)
    ports: list[spec.PortSpec] = []
    packets: PortSpec | None = None
    for path, row in rows:
        _check_place(tables, path)
        files = {}
        for key in ("certificate", "key"):
            file = files[key] = folder / row[key] if row[key] else None
            if file is not None and not file.is_file():
                tables.wrong((*path, key), f"there is no file {file}")
        if bool(row["certificate"]) != bool(row["key"]):
            tables.wrong(path, "TLS needs a certificate and a key")
        elif files["certificate"] is not None and files["key"] is not None:
            _check_tls(tables, path, files["certificate"], files["key"])
        if _given(tables, path, "protocol") in PACKETS:
            if packets:
                tables.wrong((*path, "protocol"), "there is at most one port of packets")
            if row["certificate"]:
                tables.wrong((*path, "certificate"), "packets cannot use TLS")
            packets = row["device"] or _udp_device(row["address"])
        elif row["protocol"] == spec.Protocol.SHM and not row["address"]:
            if any(port.path is not None for port in ports):
                tables.wrong((*path, "protocol"), "there is at most one path of shared memory")
            if row["certificate"]:
                tables.wrong((*path, "certificate"), "shared memory cannot use TLS")
            at = folder.absolute() / (row["path"] or SHM_PATH)
            if len(bytes(at)) > UNIX_PATH_MAX:
                too_long = f"{at} has more than {UNIX_PATH_MAX} bytes; choose a shorter one"
                tables.wrong((*path, "path"), too_long)
            ports.append(spec.PortSpec(row["protocol"], "", 0, path=at))
        elif row["protocol"] and row["address"]:
            host, number = row["address"]
            files_of = files["certificate"], files["key"]
            ports.append(spec.PortSpec(row["protocol"], host, number, *files_of))
    _check_spoken(tables, [_given(tables, path, "protocol") for path, _ in rows])
    return ports, packets


def _check_place(tables: Tables, path: Any) -> None:
    """A port has an address; one of packets may have a device in its place."""
    takes_packets = _given(tables, path, "protocol") in PACKETS
    is_shm = _given(tables, path, "protocol") == "shm"
    address, device = (_given(tables, path, key) is not None for key in ("address", "device"))
    if _given(tables, path, "path") is not None and not is_shm:
        tables.wrong((*path, "path"), "applies only to a port of shared memory")
    if is_shm:
        if device or (address and _given(tables, path, "path") is not None):
            tables.wrong((*path, "device" if device else "address"), "shared memory has a path")
    elif device and not takes_packets:
        tables.wrong((*path, "device"), "applies only to a port of packets")
    elif device and address:
        tables.wrong((*path, "device"), "the port needs a device as its address, such as udp:")
    elif not device and not address:
        tables.wrong((*path, "address"), "is missing")


def _udp_device(address: tuple[str, int] | None) -> PortSpec | None:
    """The kernel socket of an address."""
    if address is None:
        return None
    host, port = address
    return parse_port(f"udp:[{host}]:{port}" if ":" in host else f"udp:{host}:{port}")


def _check_tls(tables: Tables, path: Any, certificate: Path, key: Path) -> None:
    """Note a certificate and a key that are there and that no port could use."""
    if certificate.is_file() and key.is_file():
        try:
            server_context(certificate, key)
        except OutcryError as error:
            tables.wrong((*path, "certificate"), str(error))


def _check_spoken(tables: Tables, spoken: list[Any]) -> None:
    """Every session has a port, and a port of packets its sessions."""
    sessions = [(path, row.get("protocol")) for path, row in tables.given_rows("session")]
    slots = [(path, row.get("protocol")) for path, row in tables.given_rows("session_slots")]
    for path, protocol in [*sessions, *slots]:
        if isinstance(protocol, str) and protocol in PROTOCOLS and protocol not in spoken:
            tables.wrong((*path, "protocol"), "no port uses this protocol")
    if "packets" in spoken and all(protocol != "packets" for _, protocol in sessions):
        tables.wrong(("port",), "a port of packets needs a session of packets")


def _check_addresses(tables: Tables, rows: Any) -> None:
    """The same TCP port cannot be bound twice: at one address, or at all addresses and at one."""
    taken: list[tuple[str, int, Any]] = []
    for path, row in rows:
        host, port = row["address"] or ("", 0)
        if not port or _given(tables, path, "protocol") in PACKETS:
            continue
        for other, number, where in taken:
            if number == port and (other == host or {other, host} & {"0.0.0.0", "::"}):
                line = tables.line_of((*where, "address"))
                tables.wrong((*path, "address"), f"{host}:{port} is already used in line {line}")
        taken.append((host, port, path))


def _given(tables: Tables, path: Any, key: str) -> Any:
    return _row(tables, path).get(key)


def _row(tables: Tables, path: Any) -> dict[str, Any]:
    row = tables.document[path[0]][path[1]]
    return row if isinstance(row, dict) else {}
