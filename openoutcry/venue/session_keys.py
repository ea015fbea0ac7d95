"""Keys of a session as the venue file and requests of operators have them."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from openoutcry.order_entry import spec
from openoutcry.wire import toml_tables
from openoutcry.wire.enums import OrderType, SelfTrade, TimeInForce
from openoutcry.wire.toml_tables import Key

ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=(\d+)\$m=(\d+),t=(\d+),p=(\d+)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}",
    re.ASCII,
)
MIN_KIB, MIN_KIB_PASSES = 7_168, 35_840
"""OWASP's least work of argon2id (Password Storage Cheat Sheet): memory; memory times passes."""
MAX_KIB, MAX_PASSES, MAX_LANES = 1 << 18, 16, 16
"""More than this for each login, which anyone may try, would take the host's memory and time."""
PROTOCOLS = {
    "ouch-4.2": spec.Protocol.OUCH42,
    "ouch-5.0": spec.Protocol.OUCH50,
    "fix-4.4": spec.Protocol.FIX44,
    "fix-4.2": spec.Protocol.FIX42,
    "packets": spec.Protocol.PACKETS,
    "drop-copy": spec.Protocol.DROP_COPY,
    "fix-drop-copy": spec.Protocol.FIX_DROP_COPY,
    "shm": spec.Protocol.SHM,
}
MAX_COUNT = 2**62
MAX_SLOTS = 1_000
IN_FILE_ONLY = {
    spec.Protocol.SHM: "its key is a secret, which must not be in the journal",
    spec.Protocol.PACKETS: "its key is a secret, which must not be in the journal",
    spec.Protocol.DROP_COPY: "whose orders a drop copy reports is set when the venue opens",
    spec.Protocol.FIX_DROP_COPY: "whose orders a drop copy reports is set when the venue opens",
}
"""Why sessions of a protocol are neither added nor changed while the venue trades."""


def network(value: Any) -> spec.Network:
    """Read an address or network. Raises ``ValueError`` for anything else."""
    try:
        return ip_network(toml_tables.text()(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or network: {error}") from None


def password_hash(value: Any) -> str:
    """Read an argon2id hash. Raises ``ValueError`` for anything else, a password among it, and for
    parameters with which passwords are guessed fast, or a login takes the host's memory or time."""
    match = ARGON2.fullmatch(value) if type(value) is str and len(value) <= 300 else None
    if match is None:
        raise ValueError("is not an argon2 hash; make one with `outcry venue password`")
    version, kib, passes, lanes = (int(text) for text in match.groups()[1:])
    if match[1] != "id" or version != 19:
        raise ValueError("is not argon2id of version 19; make one with `outcry venue password`")
    if kib < MIN_KIB or kib * passes < MIN_KIB_PASSES:
        raise ValueError(
            f"has m={kib}, t={passes}: too little work; m must be at least {MIN_KIB} and m * t "
            f"{MIN_KIB_PASSES}; make one with `outcry venue password`"
        )
    if kib > MAX_KIB or passes > MAX_PASSES or not 1 <= lanes <= MAX_LANES:
        raise ValueError(
            f"has m={kib}, t={passes}, p={lanes}: a login would take too much; at most "
            f"m={MAX_KIB}, t={MAX_PASSES}, p=1 to {MAX_LANES}"
        )
    return value


def _bits(enum: type[OrderType] | type[TimeInForce]) -> Callable[[Any], int]:
    """A parser of a list of a table's names to a bit for each."""
    of_list = toml_tables.list_of(toml_tables.one_of({member.name: member for member in enum}))

    def parse(value: Any) -> int:
        members = of_list(value)
        if not members:
            raise ValueError("names none: without the key all are permitted")
        return sum(1 << member for member in set(members))

    return parse


ADMISSION = {
    "order_types": Key(_bits(OrderType), spec.EVERY),
    "times_in_force": Key(_bits(TimeInForce), spec.EVERY),
    "lists": Key(toml_tables.boolean, True),
    "quotes": Key(toml_tables.boolean, True),
}
"""Keys of ``[[session]]`` and of ``[[participant]]``: what may be entered."""
_NAMES = {member.name.lower().replace("_", "-"): member for member in spec.CancelOnDisconnect}
_SELF_TRADE = {member.name.lower().replace("_", "-"): member for member in SelfTrade}
TERMS = {
    "networks": Key(toml_tables.list_of(network), ()),
    "cancel_on_disconnect": Key(toml_tables.one_of(_NAMES), spec.CancelOnDisconnect.ALL),
    "grace_ms": Key(toml_tables.integer(0, 3_600_000), 0),
    "messages_per_s": Key(toml_tables.integer(0, 10**9), 0),
    "burst": Key(toml_tables.integer(1, 10**9), 1),
    "over_limit": Key(
        toml_tables.one_of(
            {"reject": spec.ThrottlePolicy.REJECT, "queue": spec.ThrottlePolicy.QUEUE}
        ),
        spec.ThrottlePolicy.REJECT,
    ),
    "max_open_orders": Key(toml_tables.integer(0, MAX_COUNT), None),
    "self_trade": Key(toml_tables.one_of(_SELF_TRADE), SelfTrade.ALLOW),
    "heartbeat_ms": Key(toml_tables.integer(100, 3_600_000), 1_000),
    "timeout_ms": Key(toml_tables.integer(200, 3_600_000), 15_000),
    "second_login": Key(
        toml_tables.one_of({"refuse": spec.Takeover.REFUSE, "take-over": spec.Takeover.TAKE_OVER}),
        spec.Takeover.REFUSE,
    ),
    "queue_bytes": Key(toml_tables.integer(1 << 12, 1 << 28), 1 << 20),
    **ADMISSION,
}
"""Keys of ``[[session]]`` that may change while the venue trades."""


LISTS = {"networks": "none", "order_types": "all", "times_in_force": "all"}
"""Keys that are lists, and the word for the default of each."""


def parsed(key: str, value: Any) -> Any:
    """The value of a key as a request has it: lists as texts between commas ("none": networks from
    anywhere; "all": every type or time in force).  Raises ``ValueError`` naming the key."""
    if key in LISTS:
        given = str(value)
        if given == LISTS[key]:
            return TERMS[key].default
        value = [one.strip() for one in given.split(",")]
    parse: Callable[[Any], Any] = TERMS[key].parse
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
