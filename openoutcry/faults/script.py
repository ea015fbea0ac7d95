"""A faults file: rules, in their order, each with what it matches and what it then does.

A rule counts the messages of each session by itself and draws from a generator of its own, whose
seed is the file's, the rule's number and the session's name.  So the faults of a session depend on
the file and on that session's messages alone.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.client.reasons import REJECTED_42, REJECTED_50
from openoutcry.venue.session_keys import PROTOCOLS
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import Key, KeyPath, Mistake, Tables, integer, one_of, read_tables

TO_VENUE, TO_CLIENT = "to_venue", "to_client"
PORTAL, DATA = "portal", "market-data-fix"
OUCH = ("ouch-4.2", "ouch-5.0")
FIX = ("fix-4.4", "fix-4.2", "fix-drop-copy", DATA)
LINES = (*OUCH, "drop-copy", *FIX)
"""Ports of TCP, by the names of a venue file's protocols; and the port of market data over FIX."""
PORTS = (*LINES, PORTAL)
ORDERS = (*OUCH, "fix-4.4", "fix-4.2")
DESK = ("halt", "resume", "auction")
ENTRIES = {"reject": ("enter_order", "D"), "fill": ("enter_order", "D")}
"""Messages of new orders, which alone these rules are about."""
MAX_S, MAX_MS, MAX_COUNT = 10**6, 600_000, 10**9


def _choice(*names: str) -> Callable[[Any], str]:
    return one_of({name: name for name in names})


def _texts(value: Any) -> tuple[str, ...]:
    """One text, or several in a list."""
    parse = toml_tables.text(80)
    return toml_tables.list_of(parse)(value) if type(value) is list else (parse(value),)


COUNT, SECONDS = Key(integer(1, MAX_COUNT), 0), Key(integer(0, MAX_S), None)
MATCH = {
    "port": Key(_choice(*PORTS), ""),
    "direction": Key(_choice(TO_VENUE, TO_CLIENT), ""),
    "message": Key(_texts, ()),
    "symbol": Key(toml_tables.text(40), ""),
    "session": Key(toml_tables.text(80), ""),
    "nth": COUNT,
    "every": COUNT,
    "chance_percent": Key(integer(1, 100), 100),
    "times": COUNT,
    "from_s": SECONDS,
    "until_s": SECONDS,
    "at_s": SECONDS,
}
"""Keys of every rule, but for ``do``."""


@dataclass(frozen=True)
class Action:
    """What a rule may do: on which ports and in which directions, and the keys that say more."""

    ports: tuple[str, ...]
    directions: tuple[str, ...] = (TO_VENUE, TO_CLIENT)
    keys: dict[str, Key] = field(default_factory=dict)


ACTIONS = {
    "delay": Action(
        PORTS,
        keys={
            "delay_ms": Key(integer(1, MAX_MS)),
            "max_ms": Key(integer(1, MAX_MS), 0),
            "distribution": Key(_choice("fixed", "uniform", "exponential"), "fixed"),
        },
    ),
    "drop": Action(PORTS),
    "duplicate": Action(PORTS),
    "reorder": Action(PORTS),
    "corrupt": Action(PORTS),
    "disconnect": Action(PORTS),
    "reject": Action(
        ORDERS,
        (TO_VENUE,),
        {"reason": Key(toml_tables.text(3)), "text": Key(toml_tables.text(80), "")},
    ),
    "fill": Action(ORDERS, (TO_VENUE,), {"quantity": Key(integer(1, 2**32 - 1))}),
    "reset": Action((*LINES,), (TO_CLIENT,), {"number": Key(integer(1, MAX_COUNT))}),
    "clock": Action(PORTS, (TO_CLIENT,), {"by_s": Key(integer(-MAX_S, MAX_S))}),
    "status": Action(
        (PORTAL,),
        (TO_VENUE, TO_CLIENT),
        {
            "status": Key(integer(400, 599)),
            "retry_after_s": Key(integer(1, 86_400), 0),
            "text": Key(toml_tables.text(200), "a fault of the test venue"),
        },
    ),
    **{name: Action(PORTS, keys={"instrument": Key(toml_tables.text(40))}) for name in DESK},
}
HEAD = {"seed": Key(integer(0, 2**63 - 1)), "record": Key(toml_tables.text(), "faults.jsonl")}
COUNTERPARTY = {"session": Key(toml_tables.text(6), ""), "password": Key(toml_tables.text(), "")}


@dataclass(frozen=True)
class Message:
    """What a rule sees of a message."""

    port: str
    direction: str
    session: str
    kind: str
    symbol: str = ""
    is_order_entry: bool = True
    """Not of the session layer, as logins and heartbeats are: those only a rule sees that names
    them."""

    @property
    def kinds(self) -> tuple[str, str]:
        """Return the kind, and what is before its colon: all execution reports are 8."""
        return self.kind, self.kind.partition(":")[0]


@dataclass(frozen=True)
class Rule:
    """A row of the file; ``values``: all of its keys but ``do``."""

    number: int
    do: str
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def matches(self, message: Message, now_s: float) -> bool:
        """Return whether the rule is about this message; ``now_s``: since the venue opened."""
        own = self.values
        if own["at_s"] is not None or message.port not in ACTIONS[self.do].ports:
            return False
        kinds = {*own["message"]}
        return (
            own["port"] in ("", message.port)
            and own["direction"] == message.direction
            and (not kinds.isdisjoint(message.kinds) if kinds else message.is_order_entry)
            and own["symbol"] in ("", message.symbol)
            and own["session"] in ("", message.session)
            and (own["from_s"] is None or now_s >= own["from_s"])
            and (own["until_s"] is None or now_s < own["until_s"])
        )


class Place:
    """How far a rule has come with one session."""

    def __init__(self, seed: int, rule: Rule, session: str) -> None:
        self.seen = self.used = 0
        self.random = random.Random(f"{seed}/{rule.number}/{session}")

    def hits(self, rule: Rule) -> bool:
        """Count a message that matches; return whether the rule is applied to it."""
        self.seen += 1
        drawn = self.random.randrange(100)
        is_hit = (
            rule["nth"] in (0, self.seen)
            and self.seen % (rule["every"] or 1) == 0
            and drawn < rule["chance_percent"]
            and not 0 < rule["times"] <= self.used
        )
        self.used += is_hit
        return is_hit


class Script:
    """The rules of a file at work, in one process."""

    def __init__(
        self,
        path: Path,
        seed: int,
        record: Path,
        rules: tuple[Rule, ...],
        counterparty: tuple[str, str] = ("", ""),
    ) -> None:
        self.path, self.seed, self.rules, self.counterparty = path, seed, rules, counterparty
        self._record = record
        self._places: dict[tuple[int, str], Place] = {}
        self.began_s: float | None = None
        """When the venue was open first; until then no rule is applied that has a time."""

    def now_s(self) -> float:
        """Seconds since the venue was open."""
        return -1.0 if self.began_s is None else time.monotonic() - self.began_s

    def hits(self, message: Message) -> Iterator[tuple[Rule, Place]]:
        """The rules that are applied to a message, in their order."""
        now_s = self.now_s()
        for rule in self.rules:
            if rule.matches(message, now_s):
                key = rule.number, message.session
                place = self._places.get(key)
                if place is None:
                    place = self._places[key] = Place(self.seed, rule, message.session)
                if place.hits(rule):
                    yield rule, place

    def note(self, rule: Rule, message: Message | None, seen: int = 0, **more: Any) -> None:
        """Write what was done to whom: ``seen``: which of the matching messages it was."""
        row: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "rule": rule.number}
        row |= {"do": rule.do}
        if message is not None:
            names = "port", "direction", "session", "kind", "symbol"
            row |= {name: getattr(message, name) for name in names} | {"seen": seen}
        with self._record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | more) + "\n")


def delay_s(rule: Rule, drawn: random.Random) -> float:
    """Return how long a message waits."""
    mean, most = rule["delay_ms"], rule["max_ms"]
    if rule["distribution"] == "uniform":
        mean = drawn.uniform(mean, most)
    elif rule["distribution"] == "exponential":
        mean = min(drawn.expovariate(1 / mean), most)
    return float(mean) / 1000


class FaultsFileError(OutcryError):
    """A faults file has mistakes: all of them, in the order of their lines."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(f"{path}: {mistake}" for mistake in sorted(mistakes)))


def read_script(path: Path) -> Script:
    """The rules of a faults file.  Raises :class:`FaultsFileError` with every mistake in it."""

    def fail(mistakes: list[Mistake]) -> OutcryError:
        return FaultsFileError(path, mistakes)

    tables = read_tables(path, fail)
    tables.only((), tables.document, ("faults", "counterparty", "fault"))
    head = tables.table("faults", HEAD)
    other = tables.table("counterparty", COUNTERPARTY)
    rules = [_rule(tables, path, row) for path, row in tables.given_rows("fault")]
    if not rules:
        tables.rows("fault", {})
        tables.wrong(("fault",), "there is no rule, [[fault]]")
    if any(rule is not None and rule.do == "fill" for rule in rules) and not other["session"]:
        tables.wrong(("counterparty", "session"), "is missing: a rule fills orders")
    if tables.mistakes:
        raise fail(tables.mistakes)
    made = tuple(rule for rule in rules if rule is not None)
    record = path.absolute().parent / head["record"]
    return Script(path, head["seed"], record, made, (other["session"], other["password"]))


def _rule(tables: Tables, path: KeyPath, row: dict[str, Any]) -> Rule | None:
    do = row.get("do")
    if type(do) is not str or do not in ACTIONS:
        known = ", ".join(ACTIONS)
        tables.wrong((*path, "do"), f"{do!r} is not one of {known}" if do else "is missing")
        return None
    action = ACTIONS[do]
    values = tables.read(path, row, {"do": Key(toml_tables.text()), **MATCH, **action.keys})
    del values["do"]
    port, direction = values["port"], values["direction"]
    if port and port not in action.ports:
        tables.wrong((*path, "port"), f"{do} applies only to {', '.join(action.ports)}")
    if values["at_s"] is not None:
        _check_time(tables, path, row, do)
    elif direction and direction not in action.directions:
        tables.wrong((*path, "direction"), f"{do} applies only {action.directions[0]}")
    elif not direction and len(action.directions) > 1:
        tables.wrong((*path, "direction"), f"is missing: {TO_VENUE} or {TO_CLIENT}")
    values["direction"] = direction or action.directions[0]
    if port == PORTAL and values["session"]:
        tables.wrong((*path, "session"), "a portal has none; leave it out")
    if do in ENTRIES:
        values["message"] = ENTRIES[do]
        if "message" in row:
            tables.wrong((*path, "message"), f"{do} is about new orders; leave it out")
    if do == "reject" and values["reason"]:
        _check_reason(tables, path, port, values["reason"])
    is_drawn = do == "delay" and values["distribution"] != "fixed"
    if is_drawn and (values["max_ms"] or 0) < (values["delay_ms"] or 0):
        tables.wrong((*path, "max_ms"), "is missing, or less than delay_ms")
    if values["until_s"] is not None and values["until_s"] <= (values["from_s"] or 0):
        tables.wrong((*path, "until_s"), "is not after from_s")
    return Rule(int(path[1]) + 1, do, values)


def _check_time(tables: Tables, path: KeyPath, row: dict[str, Any], do: str) -> None:
    """A rule of one moment is about no message."""
    if do not in (*DESK, "disconnect") or row.get("port") == PORTAL:
        tables.wrong((*path, "at_s"), f"applies only to {', '.join(DESK)}, and disconnect of TCP")
    for name in MATCH.keys() - {"port", "session", "at_s"}:
        if name in row:
            tables.wrong((*path, name), "is about a message, and a rule with at_s has none")


def _check_reason(tables: Tables, path: KeyPath, port: str, reason: str) -> None:
    """A reason is in the words of the rule's protocol."""
    if not port:
        tables.wrong((*path, "port"), "is missing: a reason is one of a protocol")
    elif port == "ouch-4.2" and reason not in REJECTED_42:
        tables.wrong((*path, "reason"), f"{reason!r} is not one of {', '.join(REJECTED_42)}")
    elif port != "ouch-4.2" and not (reason.isascii() and reason.isdigit()):
        tables.wrong((*path, "reason"), f"{reason!r} is not a number")
    elif port == "ouch-5.0" and int(reason) not in REJECTED_50:
        known = ", ".join(map(str, REJECTED_50))
        tables.wrong((*path, "reason"), f"{reason} is not one of {known}")


assert {*LINES} - {DATA} < {*PROTOCOLS}
