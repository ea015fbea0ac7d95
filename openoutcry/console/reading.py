"""The API's reading half: everything the page shows, as JSON, for programs as well."""

from typing import Annotated, Any

from openoutcry.console.console import Console
from openoutcry.console.custody_status import custody_status
from openoutcry.console.market import EVERY_S
from openoutcry.console.observe import EDGES_NS
from openoutcry.console.participants import (
    MAX_LOTS,
    funding_of,
    margin_of,
    margins_of,
)
from openoutcry.risk.contract_layout import MAX_PRICE
from openoutcry.venue.amounts import asset_of
from openoutcry.venue.instruments_desk import state_of
from openoutcry.venue.operators import SUPERVISOR
from openoutcry.wire.rule_changes import SLOT
from openoutcry.wire.symbols import MAX_SYMBOL

PARTS = (
    "status",
    "latency",
    "alarms",
    "lights",
    "alarms_fault",
    "changes",
    "participants",
    "clock",
    "journal",
    "host",
    "replication",
)

FUND_LINES = 50
"""Lines of the log about the insurance fund."""


def health(slow: dict[str, Any]) -> str:
    """The worst of: good, warning or critical.  It depends on the alarms that no operator has
    acknowledged and on the venue's state."""
    if slow.get("state") in ("dead", "never opened", None):
        return "critical"
    worst = {row["severity"] for row in slow.get("alarms", ()) if not row["acknowledged"]}
    return "critical" if "critical" in worst else "warning" if worst else "good"


def overview(console: Console, fast: bool = True) -> dict[str, Any]:
    """The venue at a glance; ``fast``: with what moves as well."""
    slow = console.observer.slow
    return {
        "venue": console.file.shown_name,
        "state": slow["state"],
        "time": slow["time"],
        "health": health(slow),
        "second": console.observer.second,
        "market": slow["status"],
        "firing": len(slow["alarms"]),
    } | ({"now": console.observer.fast()} if fast else {})


def add_reading(app: Any, console: Console) -> None:
    """Add the routes."""
    _add_venue(app, console)
    _add_market(app, console)
    _add_margin(app, console)
    _add_searches(app, console)


def _add_venue(app: Any, console: Console) -> None:
    observer = console.observer

    @app.get("/api/overview")
    def read_overview() -> dict[str, Any]:
        """State, health, phases, rings and stages."""
        return overview(console)

    @app.get("/api/topology")
    def read_topology() -> dict[str, Any]:
        """The table of stages and rings of the run."""
        return observer.topology()

    @app.get("/api/latency")
    def read_latency() -> dict[str, Any]:
        """Percentiles by stage, of the run and of the last second; the heat map's columns."""
        return {
            "rows": observer.slow["latency"],
            "edges_ns": EDGES_NS,
            "heat": {name: list(columns) for name, columns in list(observer.heat.items())},
            "history": {name: list(points) for name, points in list(observer.history.items())},
        }


def _add_market(app: Any, console: Console) -> None:
    observer = console.observer

    @app.get("/api/sessions")
    def read_sessions() -> list[dict[str, Any]]:
        """Every session: connected, killed, locked, its counts."""
        return observer.slow["status"]["sessions"] or []

    @app.get("/api/participants")
    def read_participants() -> list[dict[str, Any]]:
        """Money, positions, limits and what is used of them."""
        rows: list[dict[str, Any]] = observer.slow["participants"]
        return rows

    @app.get("/api/instruments")
    def read_instruments() -> list[dict[str, Any]]:
        """Return the instruments, their states and phases, and whether they are halted."""
        status = observer.slow["status"]
        phases, risk = status["phases"] or {}, status["risk"] or {}
        return [
            {
                "symbol": symbol,
                "phase": phases.get(symbol, ""),
                "state": state_of(symbol, risk.get("states", {})),
                "halted": symbol in risk.get("halted", ()),
                "protection": risk.get("protection", {}).get(symbol, ""),
                "decimals": console.file.sessions.price_decimals.get(symbol, 4),
                "asset": asset_of({"instrument": symbol}, "", console.file.risk.money),
            }
            for symbol in console.file.symbols
            if not symbol.startswith(SLOT)
        ]

    @app.get("/api/alarms")
    def read_alarms() -> dict[str, Any]:
        """Every alarm as red or green, the series that are red, and the last changes."""
        found = {key: observer.slow[key] for key in ("lights", "changes")}
        return found | {"standing": observer.alarms.rows(), "fault": observer.alarms.fault}

    @app.get("/api/journal")
    def read_journal() -> dict[str, Any]:
        """Size, days, and what was asked of the desk."""
        journal: dict[str, Any] = observer.slow["journal"]
        return journal

    @app.get("/api/clock")
    def read_clock() -> dict[str, Any]:
        """Offset, bound, drift and source of the clock."""
        clock: dict[str, Any] = observer.slow["clock"]
        return clock

    @app.get("/api/custody")
    def read_custody() -> dict[str, Any]:
        """Custody's chains, what waits and why, its last notes; whether payments are stopped."""
        return custody_status(console.file.journal)

    @app.get("/api/replication")
    def read_replication() -> dict[str, Any]:
        """Policy, what is published and acknowledged, lease, nodes, standbys."""
        replication: dict[str, Any] = observer.slow["replication"]
        return replication


def _add_margin(app: Any, console: Console) -> None:
    from fastapi import Query, Request

    def note_reading(request: Request, participant: int) -> None:
        """Log that the operator reads this participant's margin, once a session."""
        session = request.scope["outcry"]["session"]
        if participant not in session.margins_read:
            session.margins_read.add(participant)
            text = f"console: {session.name} read the margin of participant {participant}"
            console.log.write("info", text)

    @app.get("/api/margins", responses={422: {}})
    def read_margins() -> dict[str, Any]:
        """Participants, the nearest to a margin call first; contracts, indices, who would take
        positions over; the insurance fund, and what the venue's log says of it, the newest first.
        """
        found = margins_of(console.file, console.observer.pipeline)
        risk = (console.observer.slow.get("status") or {}).get("risk") or {}
        history = console.observer.events.search("insurance fund", "", 0, FUND_LINES)
        return found | {"indices": risk.get("indices", {}), "fund_history": history}

    @app.get("/api/margin", responses={403: {}, 422: {}})
    def read_margin(
        request: Request,
        participant: Annotated[int, Query(ge=1, le=65_535)],
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)] = "",
        lots: Annotated[int, Query(ge=-MAX_LOTS, le=MAX_LOTS)] = 0,
        price_ticks: Annotated[int | None, Query(ge=-MAX_PRICE, le=MAX_PRICE)] = None,
    ) -> dict[str, Any]:
        """Return what a participant's scenario margin is made of; with a symbol and lots (below 0:
        a sale) also what that order would need.  The log has who read whose, once a session."""
        order = symbol, lots, price_ticks
        found = margin_of(console.file, console.observer.pipeline, participant, *order)
        note_reading(request, participant)
        return found

    @app.get("/api/funding", responses={422: {}})
    def read_funding(
        request: Request,
        participant: Annotated[int, Query(ge=1, le=65_535)],
        before: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    ) -> dict[str, Any]:
        """Return what a participant's positions were paid in funding, the newest first, of numbers
        below ``before`` (0: any); what that comes to by contract.  The log has who read whose, once
        a session, as of margins."""
        found = funding_of(console.file, console.observer.pipeline, participant, before)
        note_reading(request, participant)
        return found


def _add_searches(app: Any, console: Console) -> None:
    from fastapi import Query, Request, Response

    @app.get("/api/cases", responses={403: {}})
    def read_cases(request: Request) -> dict[str, Any]:
        """Cases of surveillance, the newest first; for supervisors."""
        console.check(request.scope["outcry"]["session"], SUPERVISOR)
        return console.cases.view()

    @app.get("/api/identities", responses={403: {}})
    def read_identities(request: Request) -> dict[str, Any]:
        """Identities of the portal's users that wait for a decision; for supervisors."""
        console.check(request.scope["outcry"]["session"], SUPERVISOR)
        return console.identities.view()

    @app.get("/api/identities/{user}/papers/{number}", responses={403: {}})
    def read_paper(user: int, number: int, request: Request) -> Any:
        """A paper of such a user, as a file; for supervisors."""
        session = request.scope["outcry"]["session"]
        console.check(session, SUPERVISOR)
        body, kind = console.identities.paper(user, number)
        console.log.write("info", f"console: {session.name} read paper {number} of user {user}")
        name = f'attachment; filename="paper-{number}.{kind.rpartition("/")[2]}"'
        return Response(body, 200, {"content-disposition": name}, kind)

    @app.get("/api/log")
    def read_log(
        search: Annotated[str, Query(max_length=100)] = "",
        level: Annotated[str, Query(pattern="^(info|error|)$")] = "",
        before: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
        most: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> list[dict[str, Any]]:
        """Lines of the log that hold every word, the newest first."""
        return console.observer.events.search(search, level, before, most)

    @app.get("/api/market")
    def read_market(
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)],
        since: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    ) -> dict[str, Any]:
        """Book, statistics and trades, as published.  Prices have four decimals."""
        return console.market.view(symbol, since)

    @app.get("/api/candles")
    def read_candles(
        symbol: Annotated[str, Query(max_length=MAX_SYMBOL)],
        every_s: Annotated[int, Query(ge=1, le=900)] = 60,
    ) -> list[list[int]]:
        """Candles of 1, 5, 15, 60, 300 or 900 seconds (the next shorter is taken)."""
        return console.market.candles(symbol, max(one for one in EVERY_S if one <= every_s))
