"""The API's acting half: each route becomes a request to the desk, with operator and reason."""

from dataclasses import asdict
from typing import Any, Literal

from openoutcry.console import requests
from openoutcry.console.accounts import Session
from openoutcry.console.console import Console
from openoutcry.portal.review import Decision
from openoutcry.venue.desk import DeskError
from openoutcry.venue.operators import OPERATOR, SUPERVISOR
from openoutcry.wire.load_limits import Threads

MOST_LEVEL = 9
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {},
    403: {},
    409: {},
    422: {"description": "The desk rejected the request, or it is malformed"},
    429: {},
}


ACTIONS = 4, 2, 100
"""Actions that are asked at once, in all and of one name, and of this name that wait: the desk does
one after the other, and the red button is one."""


def owner_of_session(session: Session) -> str:
    """Return the owner of the turn that an action of a session takes."""
    return f"name {session.name}"


def add_actions(app: Any, console: Console) -> None:
    """Add the routes."""
    from fastapi import Request

    threads = Threads("actions", *ACTIONS)

    async def ask(
        request: Request, do: str, body: Any, role: str = OPERATOR, **more: Any
    ) -> dict[str, Any]:
        mine = request.scope["outcry"]
        action = {key: value for key, value in asdict(body).items() if value not in ("", 0)}
        action = {"do": do, "why": body.why, **action, **more}
        terms = mine["session"], action, mine["address"], role
        return await threads.run(owner_of_session(mine["session"]), console.act, *terms)

    _add_switches(app, ask)
    _add_market(app, console, ask)
    _add_issuers(app, ask)
    _add_identities(app, console, threads)

    @app.post("/api/alarms/acknowledge", responses=REFUSALS)
    async def acknowledge(body: requests.Acknowledge, request: Request) -> dict[str, Any]:
        """An operator has seen an alarm."""
        session = request.scope["outcry"]["session"]
        return console.acknowledge(session, body.name, body.labels, body.why)


def _add_switches(app: Any, ask: Any) -> None:
    from fastapi import Request

    @app.post("/api/kill", responses=REFUSALS)
    async def kill(body: requests.Switch, request: Request) -> dict[str, Any]:
        """Accept no new orders, then cancel open ones."""
        return dict(await ask(request, "kill", body))

    @app.post("/api/enable", responses=REFUSALS)
    async def enable(body: requests.Switch, request: Request) -> dict[str, Any]:
        """Let a session, participant, group or instrument trade again."""
        if body.what == "market":
            raise DeskError("two supervisors resume the market: /api/open")
        return dict(await ask(request, "enable", body))

    @app.post("/api/disconnect", responses=REFUSALS)
    async def disconnect(body: requests.OfSession, request: Request) -> dict[str, Any]:
        """End a session's connection; it may log in again."""
        return dict(await ask(request, "disconnect", body))

    @app.post("/api/limit", responses=REFUSALS)
    async def limit(body: requests.SetLimit, request: Request) -> dict[str, Any]:
        """Set a limit; what widens waits for another supervisor."""
        return dict(await ask(request, "set", body, value=body.value))


def _add_identities(app: Any, console: Console, threads: Threads) -> None:
    from fastapi import Request

    @app.post("/api/identities", responses=REFUSALS)
    async def decide(body: requests.DecideIdentity, request: Request) -> dict[str, Any]:
        """Accept or refuse the identity of one of the portal's users: by a supervisor."""
        mine = request.scope["outcry"]
        if not 0 <= body.level <= MOST_LEVEL:
            raise DeskError(f"level: 1 to {MOST_LEVEL}")
        by = mine["session"].name
        terms = body.submission, body.accept, body.why, by, body.level or None, body.despite_matches
        proof = body.password, body.code
        decided = mine["session"], Decision(*terms), proof, mine["address"]
        return await threads.run(owner_of_session(decided[0]), console.decide_identity, *decided)


def _add_issuers(app: Any, ask: Any) -> None:
    from fastapi import Request

    @app.post("/api/corporate/dividend", responses=REFUSALS)
    async def dividend(body: requests.Dividend, request: Request) -> dict[str, Any]:
        """Money for lots held of a halted instrument: asked for by two supervisors."""
        return dict(await ask(request, "dividend", body, SUPERVISOR))

    @app.post("/api/corporate/split", responses=REFUSALS)
    async def split(body: requests.Split, request: Request) -> dict[str, Any]:
        """Other lots for lots held of a halted instrument: asked for by two supervisors."""
        return dict(await ask(request, "split", body, SUPERVISOR))

    @app.post("/api/corporate/reference-price", responses=REFUSALS)
    async def reference_price(body: requests.OfIssuer, request: Request) -> dict[str, Any]:
        """Another reference price of a halted instrument: asked for by two supervisors."""
        return dict(await ask(request, "reference-price", body, SUPERVISOR))


def _add_market(app: Any, console: Console, ask: Any) -> None:
    from fastapi import Request

    @app.post("/api/halt", responses=REFUSALS)
    async def halt(body: requests.OfInstrument, request: Request) -> dict[str, Any]:
        """Cancels are still taken; `*`: every instrument."""
        return dict(await ask(request, "halt", body))

    @app.post("/api/resume", responses=REFUSALS)
    async def resume(body: requests.OfInstrument, request: Request) -> dict[str, Any]:
        """A halted instrument resumes, by an auction."""
        return dict(await ask(request, "resume", body))

    @app.post("/api/auction", responses=REFUSALS)
    async def auction(body: requests.OfInstrument, request: Request) -> dict[str, Any]:
        """Call an instrument that trades continuously to an auction."""
        return dict(await ask(request, "auction", body))

    @app.post("/api/instruments/{change}", responses=REFUSALS)
    async def change_state(
        change: Literal["open", "suspend", "close-only", "resume", "delist"],
        body: requests.OfState,
        request: Request,
    ) -> dict[str, Any]:
        """Another state of an instrument: asked for by two supervisors."""
        return dict(await ask(request, f"instrument-{change}", body, SUPERVISOR))

    @app.post("/api/open", responses=REFUSALS)
    async def open_market(body: requests.Open, request: Request) -> dict[str, Any]:
        """Open a killed market: asked for by two supervisors."""
        return dict(await ask(request, "enable", body, SUPERVISOR, what="market"))

    @app.post("/api/emergency-close", responses=REFUSALS)
    async def close(body: requests.Close, request: Request) -> dict[str, Any]:
        """The six steps, at once; `typed` is the venue's name."""
        if body.typed != console.file.shown_name:
            raise DeskError(f"type the venue's name, {console.file.shown_name}, to close it")
        return dict(await ask(request, "emergency-close", requests.ActionRequest(body.why)))

    @app.post("/api/rehearse", responses=REFUSALS)
    async def rehearse(body: requests.ActionRequest, request: Request) -> dict[str, Any]:
        """The six steps, without what they do."""
        return dict(await ask(request, "rehearse", body))
