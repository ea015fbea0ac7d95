"""A venue's participants, sessions and ports: plain data, checked when the venue file is read."""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from openoutcry.wire.enums import OrderType, SelfTrade, TimeInForce

Network = IPv4Network | IPv6Network


class Protocol(IntEnum):
    """Protocol of a session (``protocol`` of metadata, a row and a session's block)."""

    OUCH42 = 1
    OUCH50 = 2
    FIX44 = 3
    FIX42 = 4
    PACKETS = 5
    DROP_COPY = 6
    """SoupBinTCP, read-only: everything that the participants of a group receive."""
    FIX_DROP_COPY = 7
    """The same as reports of FIX 4.4."""
    SHM = 8
    """Shared memory, of a process on the same host; or its records over TCP."""


DROP_COPIES = (Protocol.DROP_COPY, Protocol.FIX_DROP_COPY)
FIX_BEGIN = {
    Protocol.FIX44: "FIX.4.4",
    Protocol.FIX42: "FIX.4.2",
    Protocol.FIX_DROP_COPY: "FIX.4.4",
}
"""Protocols that are FIX, and their BeginString."""


class CancelOnDisconnect(IntEnum):
    """Which orders go with a lost connection."""

    NONE = 0
    DAY = 1
    """All but those that outlive the day (GTC, GTD)."""
    ALL = 2


class ThrottlePolicy(IntEnum):
    """Treatment of a message for which the bucket has no token."""

    REJECT = 0
    """A message other than a cancel is rejected by name for a token of a second, equal bucket;
    when that is empty too, it stays in the socket."""
    QUEUE = 1
    """It stays in the socket until there is one."""


class Takeover(IntEnum):
    """Effect of a second login of a connected session."""

    REFUSE = 0
    TAKE_OVER = 1
    """The first connection is closed."""


FIX_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
"""Names of FIX sessions: its files have that name too."""


EVERY = -1
"""Bits that permit all."""


@dataclass(frozen=True)
class Admission:
    """What a participant may enter, by any of its sessions."""

    order_types: int = EVERY
    """A bit for each ``OrderType``, by its number."""
    times_in_force: int = EVERY
    """A bit for each ``TimeInForce``."""
    lists: bool = True
    quotes: bool = True
    protocols: frozenset[Protocol] = frozenset()
    """Of its sessions that enter orders; none: any."""

    @property
    def limits_orders(self) -> bool:
        """Return whether there is an order that it does not permit."""
        own = self.order_types, self.times_in_force, self.lists, self.quotes
        return own != (EVERY, EVERY, True, True)


def names_of(bits: int, enum: type[OrderType] | type[TimeInForce]) -> list[str]:
    """Return the names of the members that the bits permit."""
    return [member.name for member in enum if bits >> member & 1]


@dataclass(frozen=True)
class SessionSpec:
    """One session of one participant."""

    name: str
    """User name of the login (SoupBinTCP: 6 characters at most; FIX: the SenderCompID)."""
    participant: int
    """1 to 65535; 0 is the exchange operator.  For a drop copy: 0 if ``group`` names its
    participants."""
    protocol: Protocol
    password_hash: str
    """argon2, in its own text form (``argon2.PasswordHasher().hash``)."""
    networks: tuple[Network, ...] = ()
    """Whence it may log in; none: from anywhere, and over shared memory only from this host."""
    cancel_on_disconnect: CancelOnDisconnect = CancelOnDisconnect.ALL
    grace_ms: int = 0
    """How long a lost connection may stay lost before its orders go."""
    throttle_per_s: int = 0
    """Messages a second; 0: no throttle."""
    throttle_burst: int = 1
    throttle_policy: ThrottlePolicy = ThrottlePolicy.REJECT
    max_open_orders: int = 0
    """0: as many as the book holds."""
    self_trade: SelfTrade = SelfTrade.ALLOW
    """Applied to each order whose message names no mode: OUCH has no field for it."""
    heartbeat_ms: int = 1_000
    """We say something at least this often."""
    timeout_ms: int = 15_000
    """A client that is silent for longer is gone."""
    takeover: Takeover = Takeover.REFUSE
    queue_bytes: int = 1 << 20
    """How far its reader may fall behind before it is disconnected."""
    group: tuple[int, ...] = ()
    """Drop copy: the participants it is about."""
    target: str = ""
    """FIX: our CompID; empty: the venue's."""
    key: bytes = b""
    """Shared memory: the secret of 32 bytes that a login proves to know."""
    uid: int = -1
    """Shared memory: user id of the participant's process; -1: the venue's own, or by ``gid``."""
    gid: int = -1
    """Shared memory: a group that the process is in; -1: any."""
    acts_for: tuple[tuple[int, int], ...] = ()
    """A broker's: ranges of participants, first and last, whose orders it enters."""
    rings: bool = False
    """Shared memory: either side may sleep until a byte comes by the socket of the login."""
    slot: bool = False
    """No session yet: room for one of this protocol that is added while the venue trades."""
    removed: bool = False
    """Taken away while the venue traded: it takes no login, and its place is never another's."""
    order_types: int = field(default=EVERY, repr=False)
    """A bit for each ``OrderType`` that it may enter, by its number."""
    times_in_force: int = field(default=EVERY, repr=False)
    """A bit for each ``TimeInForce``."""
    lists: bool = field(default=True, repr=False)
    """It may enter lists of orders."""
    quotes: bool = field(default=True, repr=False)
    """It may enter quotes."""

    @property
    def is_there(self) -> bool:
        """Return whether it may be logged in to."""
        return not (self.slot or self.removed)

    def may_act(self, participant: int) -> bool:
        """Return whether its orders may be this participant's."""
        ranges = self.acts_for or ((self.participant, self.participant),)
        return any(first <= participant <= last for first, last in ranges)

    @property
    def admission(self) -> Admission:
        """What it may enter."""
        return Admission(self.order_types, self.times_in_force, self.lists, self.quotes)

    @property
    def sees(self) -> tuple[int, ...]:
        """The participants whose positions it may ask for."""
        return (self.protocol in DROP_COPIES and self.group) or (self.participant,)


@dataclass(frozen=True)
class PortSpec:
    """One listening port."""

    protocol: Protocol
    host: str
    port: int
    """0: any that is free."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    path: Path | None = None
    """Shared memory: of the Unix socket, in place of host and port of its records over TCP."""


@dataclass(frozen=True)
class AssetName:
    """An asset as reports show it."""

    name: str
    decimals: int


@dataclass(frozen=True)
class PaidIn:
    """The two assets of a spot instrument."""

    base: AssetName
    quote: AssetName


@dataclass(frozen=True)
class SessionsSpec:
    """All sessions and ports of a venue."""

    sessions: tuple[SessionSpec, ...]
    ports: tuple[PortSpec, ...]
    packet_participants: tuple[int, ...] = ()
    """Participants whose orders may come by packets too: a lost session takes its own, and not all
    of them."""
    name: str = "OUTCRY"
    """The venue's: SoupBinTCP's session is the trading day, FIX's CompID is this."""
    day: str = ""
    """Day of the streams, ``YYYYMMDD``; empty: today in UTC."""
    symbols: tuple[str, ...] = ()
    """The instruments' symbols outside; none: as records have them."""
    price_decimals: dict[str, int] = field(default_factory=dict)
    """By symbol: decimals of one tick; 4 where nothing is said."""
    not_by_ouch: frozenset[str] = frozenset()
    """Symbols of instruments that OUCH does not trade."""
    paid_in: dict[str, PaidIn] = field(default_factory=dict)
    """By symbol: the assets of spot instruments."""
    day_start_ns: int = 0
    """Local midnight of the trading day, ns since the epoch; 0: UTC's of ``day``."""
    day_begin_ns: int = 0
    """Messages before this time belong to the streams and tokens of earlier days;
    0: day_start_ns."""
    is_over_days: bool = False
    """The sessions go on over several days, of a venue that never closes: their messages have the
    time since the last midnight, by the zone's offset when they began."""
    failures_before_lock: int = 5
    lock_s: float = 60.0
    row_capacity: int = 1 << 17
    """Orders that may be open, or waiting for an answer, at once; a power of two."""
    token_capacity: int = 1 << 21
    """Tokens that the sessions may use in a day; a power of two.  One may use as many as are left
    for all."""
    delayed: int = 0
    """Commands that may wait at the core's speed bump."""
    stream_entries: int = 1 << 24
    """Messages that one session may be sent in a day."""
    stream_bytes: int = 1 << 31
    """And their bytes."""
    admissions: dict[int, Admission] = field(default_factory=dict)
    """By participant, of those that may not enter everything by every protocol."""

    def admission_of(self, row: SessionSpec) -> Admission:
        """Return what a session may enter: what its row and its participant permit."""
        own, its = row.admission, self.admissions.get(row.participant, Admission())
        return Admission(
            own.order_types & its.order_types,
            own.times_in_force & its.times_in_force,
            own.lists and its.lists,
            own.quotes and its.quotes,
        )
