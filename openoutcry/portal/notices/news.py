"""Makes notices of what the history says, each once, and fires price alerts.

A source is read on from where it was read before.  Its place and the notices made of it are one
transaction.  A notice has the id of its event.  So whatever dies, no notice is missing or made
twice, also when the history is made again.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from openoutcry.portal.history.changes import changes_of
from openoutcry.portal.history.fold import numbers_of
from openoutcry.portal.history.schema import NAME, POSITION
from openoutcry.portal.notices.words import (
    MARKET,
    NEWS,
    Notice,
    of_account_event,
    of_alert,
    of_announcement,
    of_change,
    of_movement,
)
from openoutcry.portal.trading.instruments import Markets, Pair
from openoutcry.risk.bits import RISK_REASON

ROWS = 1_000
"""Most rows of a source in one transaction: each user among them is one lock."""
TRADES, TRADES_BEFORE = 50_000, 10_000
"""Most trades in one transaction; of a market, those before that a new alert is compared with."""
NAME_LENGTH = 8
SOURCES = "changes", "movements", "account_events", "market_events", "trades"
"""Columns of ``notice_sources``: how far each source was read."""
NEW_JOURNAL = """
    with begun as (
        insert into notice_sources (journal_id, since_seq) values (%(journal)s, %(seq)s)
        on conflict do nothing returning since_seq
    )
    update price_alerts set created_seq = begun.since_seq from begun
    where fired_at is null and exists (select from notice_sources)
"""
"""Once for each journal.  Alerts that wait since the one before count by its numbers: those of the
one before say nothing about its trades."""
CHANGES = """
    select c.*, o.instrument, o.side, o.packed as order_packed, u.id as user_id,
        u.language
    from history.order_changes as c
    left join history.orders as o using (number)
    left join users as u on u.participant = o.participant
    where c.event_seq > %(after)s and c.day >= %(day)s order by c.event_seq limit %(most)s
"""
MOVEMENTS = """
    select m.*, u.id as user_id, u.language from history.movements as m
    left join users as u on u.participant = m.participant
    where (m.event_seq, m.part) > (%(after)s, 9223372036854775807) and m.day >= %(day)s
    order by m.event_seq, m.part limit %(most)s
"""
ACCOUNT_EVENTS = """
    select e.*, u.id as user_id, u.language from history.account_events as e
    left join users as u on u.participant = e.participant
    where (e.event_seq, e.part) > (%(after)s, 9223372036854775807) and e.day >= %(day)s
    order by e.event_seq, e.part limit %(most)s
"""
MARKET_EVENTS = """
    select * from history.market_events where event_seq > %(after)s and day >= %(day)s
    order by event_seq limit %(most)s
"""
ANNOUNCE = """
    insert into announcements (key, kind, symbol, title, at)
    values (%s, %s, %s, %s, to_timestamp(%s)) on conflict do nothing
"""
TO_TELL = "select * from announcements where not is_told order by id limit 1"
LISTENERS = """
    select u.id, u.language from users as u
    left join notice_settings as s on s.user_id = u.id
    where u.id > %(after)s and u.parent_id is null and u.is_verified
      and coalesce(s.events -> %(event)s, to_jsonb(default_channels(%(event)s))) <> '[]'
    order by u.id limit %(most)s
"""
"""Main accounts that want to hear of an event by any channel."""
ALERTS = """
    with span as (
        select instrument, min(price_ticks) as low, max(price_ticks) as high
        from history.trades where trade > %(after)s and trade <= %(until)s and day >= %(day)s
        group by instrument
    )
    select a.*, u.language, first.price_ticks as met_ticks, first.at_ms from price_alerts as a
    join users as u on u.id = a.user_id
    join span using (instrument)
    cross join lateral (
        select t.price_ticks, t.at_ms from history.trades as t
        where t.instrument = a.instrument and t.trade > %(after)s and t.trade <= %(until)s
          and t.day >= %(day)s and t.seq > a.created_seq
          and ((a.direction = 'above' and t.price_ticks >= a.price_ticks)
            or (a.direction = 'below' and t.price_ticks <= a.price_ticks))
        order by t.trade limit 1
    ) as first
    where a.fired_at is null and a.is_checked
      and ((a.direction = 'above' and span.high >= a.price_ticks)
        or (a.direction = 'below' and span.low <= a.price_ticks))
    order by a.user_id, a.id
"""
NEW_ALERTS = """
    select a.*, u.language, first.price_ticks as met_ticks, first.at_ms from price_alerts as a
    join users as u on u.id = a.user_id
    left join lateral (
        select * from (
            select trade, price_ticks, at_ms, seq from history.trades
            where instrument = a.instrument and trade <= %(after)s and day >= %(day)s - 1
            order by trade desc limit %(most)s
        ) as t
        where t.seq > a.created_seq
          and ((a.direction = 'above' and t.price_ticks >= a.price_ticks)
            or (a.direction = 'below' and t.price_ticks <= a.price_ticks))
        order by t.trade limit 1
    ) as first on true
    where a.fired_at is null and not a.is_checked order by a.user_id, a.id
"""
"""An alert that was not here yet when the trades after it were read is compared with those once."""
ADD = """
    select count(add_notice(row.user_id, row.key, row.event, row.is_urgent, row.title, row.body,
        row.data))
    from unnest(%s::bigint[], %s::text[], %s::text[], %s::boolean[], %s::text[], %s::text[],
        %s::jsonb[]) as row (user_id, key, event, is_urgent, title, body, data)
"""
"""One statement for all: one each took as long as all else that the notifier does."""


def add(connection: Any, notices: list[tuple[int, Notice]]) -> None:
    """Add notices of users in the connection's transaction, ordered by user: each is a lock."""
    if not notices:
        return
    rows = [
        (user_id, one.key, one.event, one.is_urgent, one.title, one.body, json.dumps(one.data))
        for user_id, one in sorted(notices, key=lambda pair: pair[0])
    ]
    connection.execute(ADD, [list(column) for column in zip(*rows, strict=True)])


def _with_order(row: dict[str, Any]) -> dict[str, Any]:
    """Return changes of an order with the order's terms; ``traded_lots``: how many lots its
    ``executed_tick_lots`` are of."""
    order = numbers_of(row["order_packed"])
    return order | {"traded_lots": order["executed_lots"]} | row


class News:
    """Reads the sources of one venue over one connection."""

    def __init__(self, markets: Markets, connection: Any) -> None:
        """``connection``: its rows are dictionaries, each statement is a transaction."""
        self.markets, self.connection = markets, connection
        self._days = dict.fromkeys(SOURCES, 0)
        """The day of the last row of each source that was read: earlier ones are not looked at."""

    def step(self) -> int:
        """Take the next rows of each source; how many there were."""
        told = self._announce()
        position = self._one(f"select journal_id from {POSITION}")
        if position is None:
            return told
        journal = position["journal_id"]
        self._learn()
        self.connection.execute(NEW_JOURNAL, {"journal": journal, "seq": 0})
        at = self._one("select * from notice_sources where journal_id = %s", journal)
        assert at is not None
        return told + self._changes(at) + self._paid(at) + self._markets(at) + self._trades(at)

    def _learn(self) -> None:
        """Take the pairs that were announced since: the history names them before their rows."""
        if not self.markets.has_slots:
            return
        query = f"select * from {NAME}.markets where instrument = any(%s)"
        for row in self.connection.execute(query, (list(self.markets.slots),)).fetchall():
            terms = {key: value for key, value in row.items() if key != "instrument"}
            self.markets.learn(Pair(index=row["instrument"], **terms, row=None))

    def _one(self, query: str, *values: Any) -> dict[str, Any] | None:
        row = self.connection.execute(query, values or None).fetchone()
        return None if row is None else dict(row)

    def _rows(self, query: str, source: str, at: dict[str, Any], of: str) -> list[dict[str, Any]]:
        """The next rows; those of one value of the column ``of`` are never apart."""
        values, most = {"after": at[source], "day": self._days[source]}, ROWS
        while True:
            rows = list(self.connection.execute(query, values | {"most": most}).fetchall())
            if len(rows) < most:
                return rows
            if whole := [row for row in rows if row[of] < rows[-1][of]]:
                return whole
            most *= 2

    def _write(self, source: str, at: dict[str, Any], place: int, notices: list[Any]) -> None:
        """Notices with their users, and the place after them, in one transaction."""
        with self.connection.transaction():
            add(self.connection, notices)
            self.connection.execute(
                f"update notice_sources set {source} = %s where journal_id = %s",
                (place, at["journal_id"]),
            )

    def _changes(self, at: dict[str, Any]) -> int:
        rows, journal = self._rows(CHANGES, "changes", at, "seq"), at["journal_id"][:NAME_LENGTH]
        if not rows:
            return 0
        last = {(row["seq"], row["number"]): row["event_seq"] for row in rows}
        changes = [
            change
            for row in rows
            if row["user_id"] is not None and row["seq"] > at["since_seq"]
            for change in changes_of(_with_order(row))
        ]
        notices = []
        for row in sorted(changes, key=lambda change: int(change["event_seq"])):
            if row["execution"] == "TRADE" and last[row["seq"], row["number"]] != row["event_seq"]:
                continue  # what the command made of the order in the end says more
            row["is_risk"] = row["reason"] == RISK_REASON
            market = self.markets.by_index[row["instrument"]]
            notice = of_change(row, market, journal, row["language"])
            if notice is not None:
                notices.append((row["user_id"], notice))
        self._write("changes", at, rows[-1]["event_seq"], notices)
        self._days["changes"] = rows[-1]["day"]
        return len(rows)

    def _paid(self, at: dict[str, Any]) -> int:
        """Make notices of what moved money or positions without an order."""

        def of_row(row: dict[str, Any], journal: str) -> Notice:
            decimals = self.markets.decimals(row["asset"])
            return of_movement(row, decimals, journal, row["language"])

        def of_event(row: dict[str, Any], journal: str) -> Notice:
            decimals = self.markets.decimals(row["asset"])
            market = self.markets.by_index.get(row["instrument"])
            return of_account_event(row, market, decimals, journal, row["language"])

        count = self._each(MOVEMENTS, "movements", at, of_row)
        return count + self._each(ACCOUNT_EVENTS, "account_events", at, of_event)

    def _each(
        self,
        query: str,
        source: str,
        at: dict[str, Any],
        notice_of: Callable[[dict[str, Any], str], Notice],
    ) -> int:
        """Make a notice of each row of a user."""
        rows = self._rows(query, source, at, "event_seq")
        if not rows:
            return 0
        journal = at["journal_id"][:NAME_LENGTH]
        notices = [
            (row["user_id"], notice_of(row, journal))
            for row in rows
            if row["user_id"] is not None and row["seq"] > at["since_seq"]
        ]
        self._write(source, at, rows[-1]["event_seq"], notices)
        self._days[source] = rows[-1]["day"]
        return len(rows)

    def _markets(self, at: dict[str, Any]) -> int:
        """Announce what became of instruments."""
        rows = self._rows(MARKET_EVENTS, "market_events", at, "event_seq")
        if not rows:
            return 0
        with self.connection.transaction():
            for row in rows:
                market = self.markets.by_index.get(row["instrument"])
                if market is None or row["seq"] <= at["since_seq"]:
                    continue
                key = f"{at['journal_id'][:NAME_LENGTH]}-{row['event_seq']}"
                terms = key, MARKET, market.symbol, row["kind"], row["at_ns"] / 10**9
                self.connection.execute(ANNOUNCE, terms)
            self._write("market_events", at, rows[-1]["event_seq"], [])
        self._days["market_events"] = rows[-1]["day"]
        return len(rows)

    def _announce(self) -> int:
        """Make notices of an announcement for the next users; how many that was."""
        row = self._one(TO_TELL)
        if row is None:
            return 0
        event = MARKET if row["kind"] == MARKET else NEWS
        values = {"after": row["told_user"], "event": event, "most": ROWS}
        users = self.connection.execute(LISTENERS, values).fetchall()
        with self.connection.transaction():
            notices = [(user["id"], of_announcement(row, user["language"])) for user in users]
            add(self.connection, notices)
            self.connection.execute(
                "update announcements set told_user = %s, is_told = %s where id = %s",
                (users[-1]["id"] if users else row["told_user"], len(users) < ROWS, row["id"]),
            )
        return max(1, len(users))

    def _trades(self, at: dict[str, Any]) -> int:
        """Price alerts: each fires once, by the first trade after it was set that meets it."""
        values: dict[str, Any] = {"after": at["trades"], "day": self._days["trades"]}
        self._check_new(at, values | {"most": TRADES_BEFORE})
        query = """
            select max(trade) as until, max(day) as day, count(*) as count from (
                select trade, day from history.trades
                where trade > %(after)s and day >= %(day)s order by trade limit %(most)s
            ) as next
        """
        found = self.connection.execute(query, values | {"most": TRADES}).fetchone()
        if found["until"] is None:
            return 0
        values["until"] = found["until"]
        met = self.connection.execute(ALERTS, values).fetchall()
        with self.connection.transaction():
            self._fire(at, met)
            self.connection.execute(
                "update notice_sources set trades = %s where journal_id = %s",
                (found["until"], at["journal_id"]),
            )
        self._days["trades"] = found["day"]
        return int(found["count"])

    def _check_new(self, at: dict[str, Any], values: dict[str, Any]) -> None:
        """Compare alerts that were set meanwhile with the trades that are read already."""
        rows = self.connection.execute(NEW_ALERTS, values).fetchall()
        if not rows:
            return
        with self.connection.transaction():
            self._fire(at, [row for row in rows if row["met_ticks"] is not None])
            query = "update price_alerts set is_checked = true where id = any(%s)"
            self.connection.execute(query, ([row["id"] for row in rows],))

    def _fire(self, at: dict[str, Any], met: list[dict[str, Any]]) -> None:
        """In a transaction: alerts that a trade has met, with its price and time."""
        for row in met:
            fired = """
                update price_alerts set fired_at = %s, fired_ticks = %s
                where id = %s and fired_at is null returning id
            """
            moment = datetime.fromtimestamp(row["at_ms"] / 1_000, UTC)
            terms = moment, row["met_ticks"], row["id"]
            if self.connection.execute(fired, terms).fetchone() is None:
                continue
            market = self.markets.by_index[row["instrument"]]
            journal, language = at["journal_id"][:NAME_LENGTH], row["language"]
            notice = of_alert(row, market, row["met_ticks"], journal, language)
            add(self.connection, [(row["user_id"], notice)])
