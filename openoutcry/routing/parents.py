"""Parents and their children, kept in a file: what left, and all that the venues said of it.

The file is SQLite and only grows: parents, children, events, notes.  A child is in it, on the disk,
before it leaves.  State is a fold over these rows, so it is the same after a kill; an event that
comes twice has the number of the first one and changes nothing.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REDUCED,
    REJECTED,
    RESIZED,
    Order,
    VenueEvent,
)
from openoutcry.routing.instruments import RoutingError
from openoutcry.wire.closing import Closing
from openoutcry.wire.sqlite_file import Schema, SqliteFile, StoreError

TABLES = """
create table if not exists store (prefix text not null);
create table if not exists parent (number integer primary key, terms text not null);
create table if not exists child (
    number integer primary key, parent integer not null references parent, venue text not null,
    token text not null unique, quantity integer not null, price integer not null,
    is_ioc integer not null, sent_ns integer not null);
create table if not exists event (
    venue text not null, stream text not null, sequence integer not null,
    token text not null, kind text not null, quantity integer not null, price integer not null,
    reason text not null, at_ns integer not null,
    primary key (venue, stream, sequence)) without rowid;
create table if not exists note (
    parent integer not null, at_ns integer not null, kind text not null, data text not null);
"""
SCHEMA = Schema("the parents of a router", 0x4F4F5052, TABLES)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ACTIVE, PAUSED, ENDED = "active", "paused", "ended"
OWN_STREAM = "router"
"""Of what the router itself knows of a child."""
PREFIX_LETTERS, NUMBER_LETTERS = 6, 7
"""Letters of a token: the file's prefix, and the child's number in base 36."""


@dataclass(frozen=True)
class Terms:
    """Terms of an order, in the router's units."""

    symbol: str
    side: int
    quantity: int
    limit: int
    """0: any price."""
    created_ns: int
    style: str = "take"
    """``take``: immediate orders at all venues; ``post``: one resting order, then ``take`` after
    ``post_ns``; ``rest``: resting orders alone."""
    post_ns: int = 0
    algorithm: dict[str, Any] = field(default_factory=dict)
    attempts: int = 5
    """Rounds in a row without a fill after which the parent ends."""


@dataclass
class Child:
    """A part of a parent at one venue."""

    number: int
    venue: str
    order: Order
    sent_ns: int
    generation: int = -1
    """Generation of the connection on which it was sent in this run; -1: in an earlier run."""
    left_ns: int = 0
    """When it was sent in this run, until its first answer."""
    state: str = "leaving"
    """leaving, accepted, cancelled, rejected or filled; ``leaving`` may not have arrived."""
    filled: int = 0
    reduced: int = 0
    """What the venue has taken off the order without a trade."""
    notional: int = 0
    reason: str = ""
    cancel_ns: int = 0
    """When a cancel was sent, 0: none."""
    answered_ns: int = 0
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    """Time, quantity, price."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing more can come of it."""
        return self.state in (CANCELLED, REJECTED, FILLED)

    @property
    def leaves(self) -> int:
        """The quantity that may still trade."""
        return 0 if self.is_over else self.order.quantity - self.reduced - self.filled

    def apply(self, event: VenueEvent, at_ns: int) -> None:
        """Take an event in, in the order of the venue's stream."""
        self.answered_ns = at_ns
        if event.kind == FILLED:
            self.filled += event.quantity
            self.notional += event.quantity * event.price
            self.fills.append((at_ns, event.quantity, event.price))
        elif event.kind == REDUCED:
            self.reduced += event.quantity
        elif event.kind == RESIZED:
            self.reduced = self.order.quantity - event.quantity
        elif not self.is_over:
            self.state, self.reason = event.kind, event.reason
            return
        if self.filled >= self.order.quantity:
            self.state = FILLED
        elif not self.is_over:
            is_open = self.filled + self.reduced < self.order.quantity
            self.state, self.reason = ACCEPTED if is_open else CANCELLED, event.reason


@dataclass
class Parent:
    """An order of a client, and what has become of it."""

    number: int
    terms: Terms
    children: list[Child] = field(default_factory=list)
    state: str = ACTIVE
    quantity: int = 0
    limit: int = 0
    """As last amended."""
    notes: list[tuple[int, str, Any]] = field(default_factory=list)
    """Time, kind and data: arrival, estimates, pauses, prices afterwards."""
    last_fill_ns: int = 0

    @property
    def filled(self) -> int:
        """Return what has traded."""
        return sum(child.filled for child in self.children)

    @property
    def leaves(self) -> int:
        """Return what may still trade by the children that are out."""
        return sum(child.leaves for child in self.children)

    @property
    def free(self) -> int:
        """The quantity that may be sent: neither traded nor out. A child in doubt is out."""
        return max(0, self.quantity - self.filled - self.leaves)

    def noted(self, kind: str) -> Any:
        """The data of the first note of a kind; None without one."""
        return next((data for _, own, data in self.notes if own == kind), None)


class ParentStore(Closing):
    """The file of one router; one process has it at a time."""

    def __init__(self, path: Path, is_durable: bool = True) -> None:
        """``is_durable`` False: a power cut may lose the last rows, a kill may not.

        Raises :class:`RoutingError` if it cannot be used, or another router has it."""
        try:
            self._base = SqliteFile(
                path, SCHEMA, wait_s=0.0, is_durable=is_durable, is_exclusive=True
            )
        except StoreError as error:
            raise RoutingError(str(error)) from None
        prefix = "".join(secrets.choice(DIGITS) for _ in range(PREFIX_LETTERS))
        query = "insert into store select ? where not exists (select * from store)"
        self._base.run(query, prefix)
        self.prefix = str(self._base.value("select prefix from store"))
        self.parents: dict[int, Parent] = {}
        self._by_token: dict[str, tuple[Parent, Child]] = {}
        self._open: dict[tuple[str, str], dict[int, tuple[Parent, Child]]] = {}
        """Children that are not over, by venue and symbol, and by number."""
        self._load()

    def _load(self) -> None:
        for number, terms in self._base.rows("select * from parent order by number"):
            self._enter(number, Terms(**json.loads(terms)))
        for number, parent, *row in self._base.rows("select * from child order by number"):
            self._enter_child(self.parents[parent], number, *row)
        events = self._base.rows("select * from event order by venue, stream, sequence")
        for *row, at_ns in events:
            self._apply(VenueEvent(*row), at_ns)
        rows = self._base.rows("select * from note order by rowid")
        for parent, at_ns, kind, data in rows:
            self._apply_note(self.parents[parent], at_ns, kind, json.loads(data))

    def _enter(self, number: int, terms: Terms) -> Parent:
        parent = Parent(number, terms, quantity=terms.quantity, limit=terms.limit)
        self.parents[number] = parent
        return parent

    def _enter_child(self, parent: Parent, number: int, venue: str, *row: Any) -> Child:
        token, quantity, price, is_ioc, sent_ns = row
        order = Order(token, parent.terms.side, quantity, price, bool(is_ioc))
        child = Child(number, venue, order, sent_ns)
        parent.children.append(child)
        self._by_token[token] = parent, child
        self._open.setdefault((venue, parent.terms.symbol), {})[number] = parent, child
        return child

    def add(self, terms: Terms) -> Parent:
        """A new parent, on the disk when this returns."""
        return self._enter(self._base.insert("parent", terms=json.dumps(vars(terms))), terms)

    def add_children(
        self, parent: Parent, orders: list[tuple[str, int, int, bool]], now_ns: int
    ) -> list[Child]:
        """New children (venue, quantity, price, is_ioc), all on the disk when this returns: from
        here on each may have left."""
        assert sum(order[1] for order in orders) <= parent.free, "a parent is never overfilled"
        last = self._base.value("select max(number) from child")
        rows = [
            (number, parent.number, venue, self.token(number), quantity, price, is_ioc, now_ns)
            for number, (venue, quantity, price, is_ioc) in enumerate(orders, (last or 0) + 1)
        ]
        with self._base.change():
            self._base.run_many("insert into child values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return [self._enter_child(parent, row[0], *row[2:]) for row in rows]

    def token(self, number: int) -> str:
        """The token of a child: 13 letters and digits, unlike that of any other file."""
        text = ""
        for _ in range(NUMBER_LETTERS):
            number, digit = divmod(number, 36)
            text = DIGITS[digit] + text
        return self.prefix + text

    def apply(self, events: list[VenueEvent], now_ns: int) -> list[tuple[Parent, Child]]:
        """Take events in, all or none of them on the disk; returns whose they were.  Those that
        came before, or are of no child of ours, change nothing."""
        known = [event for event in events if event.token in self._by_token]
        new = []
        if known:
            with self._base.change():
                for event in known:
                    query = "insert or ignore into event values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    if self._base.run(query, *event, now_ns):
                        new.append(event)
        return [self._apply(event, now_ns) for event in new]

    def _apply(self, event: VenueEvent, at_ns: int) -> tuple[Parent, Child]:
        parent, child = self._by_token[event.token]
        child.apply(event, at_ns)
        if event.kind == FILLED:
            parent.last_fill_ns = max(parent.last_fill_ns, at_ns)
        if child.is_over:
            self._open[child.venue, parent.terms.symbol].pop(child.number, None)
        return parent, child

    def never_left(self, child: Child, reason: str, now_ns: int) -> None:
        """Keep that a child was not sent, and will not be."""
        at = child.venue, OWN_STREAM, child.number, child.order.token
        self.apply([VenueEvent(*at, CANCELLED, reason=reason)], now_ns)

    def note(self, parent: Parent, now_ns: int, kind: str, data: Any) -> None:
        """Keep a fact of a parent; ``state``, ``quantity`` and ``limit`` change it."""
        self.note_all(parent, now_ns, {kind: data})

    def note_all(self, parent: Parent, now_ns: int, facts: Mapping[str, Any]) -> None:
        """Keep facts by their kinds, all or none of them on the disk."""
        rows = [(parent.number, now_ns, kind, json.dumps(data)) for kind, data in facts.items()]
        with self._base.change():
            self._base.run_many("insert into note values (?, ?, ?, ?)", rows)
        for kind, data in facts.items():
            self._apply_note(parent, now_ns, kind, data)

    @staticmethod
    def _apply_note(parent: Parent, at_ns: int, kind: str, data: Any) -> None:
        parent.notes.append((at_ns, kind, data))
        if kind in ("state", "quantity", "limit"):
            setattr(parent, kind, data)

    def last_event(self, venue: str, symbol: str) -> tuple[str, int] | None:
        """The stream and number of the last event of an instrument at a venue; None without one.
        Routers of other instruments may have read the same stream further."""
        found = self._base.row(
            "select stream, max(sequence) from event join child using (token) "
            "join parent on parent.number = child.parent "
            "where event.venue = ? and stream != ? and json_extract(terms, '$.symbol') = ? "
            "group by stream order by max(at_ns) desc limit 1",
            venue,
            OWN_STREAM,
            symbol,
        )
        return (found[0], int(found[1])) if found else None

    def open_children(self, venue: str, symbol: str) -> list[tuple[Parent, Child]]:
        """Children of an instrument at a venue that are not over."""
        return list(self._open.get((venue, symbol), {}).values())

    def symbol_of(self, token: str) -> str:
        """The instrument of a child; "" of a token that is no child's."""
        found = self._by_token.get(token)
        return found[0].terms.symbol if found else ""

    def close(self) -> None:
        """Close the database."""
        self._base.close()
