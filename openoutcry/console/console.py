"""The console of one venue: what it observes, its logins, and how it asks the desk."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from openoutcry.console.accounts import Accounts, Session
from openoutcry.console.cases import Cases
from openoutcry.console.events import CONSOLE
from openoutcry.console.identities import Identities
from openoutcry.console.market import Market
from openoutcry.console.observe import Observer
from openoutcry.portal.review import Decision
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.desk_record import MAX_REASON
from openoutcry.venue.file import VenueFile
from openoutcry.venue.log import VenueLog, log_folder
from openoutcry.venue.operators import (
    OPERATOR,
    ROLES,
    SUPERVISOR,
    TICKET_UNKNOWN,
    VIEWER,
    WRONG_CREDENTIALS,
    OperatorError,
    Operators,
)
from openoutcry.wire import OutcryError

QUEUED = ("kill", "halt")


class RoleError(OutcryError):
    """The session's role does not let it do this."""


class AgainError(OutcryError):
    """The desk does not know this session: its operator has to enter the password again."""


class Console:
    """All that serves the page; thread-safe.  Raises ``OSError`` if its log cannot be written."""

    def __init__(
        self, file: VenueFile, standbys: Sequence[Path] = (), portal_database: str = ""
    ) -> None:
        """``portal_database``: its URL; nothing: the one that the portal has started."""
        if not file.risk.operators:
            raise OutcryError(
                f"{file.path}: the file has no [[operator]], so no operator could log in"
            )
        self.file = file
        self.observer, self.market = Observer(file, standbys), Market(file.feed, file.journal)
        self.cases = Cases(file.journal)
        self.identities = Identities(file, portal_database)
        operators = Operators(file.risk.operators)
        operators.keep(log_folder(file.journal) / "codes-console.json")
        self.accounts = Accounts(
            operators,
            file.sessions.failures_before_lock,
            file.sessions.lock_s,
        )
        self.log = VenueLog(file.journal, file.name, self._sequenced, CONSOLE)

    def _sequenced(self) -> int:
        pipeline = self.observer.pipeline
        return pipeline.positions()["sequenced"] if pipeline is not None else 0

    def start(self) -> None:
        """Begin to read the venue and its market data, in threads."""
        self.observer.start()
        self.market.start()

    def stop(self) -> None:
        """End the threads and close the log."""
        self.observer.stop()
        self.market.stop()
        self.log.close()

    # Who

    def log_in(self, name: str, password: str, code: str, address: str) -> tuple[str, Session]:
        """A session, and what its cookie holds.  Raises what :meth:`Accounts.prove` does."""
        shown = name if name.isprintable() and len(name) <= 32 else "somebody"
        known = {operator.name for operator in self.file.risk.operators}
        try:
            number = self.accounts.prove(name, password, code, address)
        except OutcryError as error:
            # A name that no operator has may be a password in the wrong field.
            who = shown if shown in known else "an unknown name"
            self.log.write("error", f"console: login of {who} from {address} refused: {error}")
            raise
        cookie, session = self.accounts.begin(number)
        self._get_ticket(session, password, code)
        self.log.write("info", f"console: {session.name} ({session.role}) logged in from {address}")
        return cookie, session

    def _get_ticket(self, session: Session, password: str, code: str) -> None:
        """Get a ticket from the desk, if one listens, for a session that may ask it anything."""
        if session.role == VIEWER:
            return
        request = {"do": "log-in", "operator": session.name, "password": password, "code": code}
        try:
            session.ticket = str(ask(self.file.journal, request)["ticket"])
        except OutcryError:
            session.ticket = ""

    def confirm(self, session: Session, password: str, code: str, address: str) -> None:
        """The same operator proves it again, and gets a new ticket."""
        self.accounts.prove(session.name, password, code, address)
        self._get_ticket(session, password, code)

    def log_out(self, cookie: str, session: Session) -> None:
        """End a session of a browser, and its ticket at the desk."""
        self.accounts.end(cookie)
        self.log.write("info", f"console: {session.name} logged out")
        if session.ticket:
            try:
                ask(self.file.journal, {"do": "log-out", "ticket": session.ticket})
            except OutcryError:
                return  # the desk is gone, and its tickets with it

    def check(self, session: Session, role: str) -> None:
        """Raises :class:`RoleError`; the desk asks for itself, too."""
        if ROLES.index(session.role) < ROLES.index(role):
            raise RoleError(f"{session.name} is {session.role}; this needs {role}")

    # What is done

    def act(
        self, session: Session, request: dict[str, Any], address: str, role: str = OPERATOR
    ) -> dict[str, Any]:
        """Ask the desk, in this session's name; ``request`` may hold a password.

        Raises :class:`RoleError`, :class:`AgainError`, and what the desk says."""
        self.check(session, role)
        why = request["why"] = request["why"].strip()
        if not why or len(why) > MAX_REASON or not why.isprintable():
            raise DeskError(f"why: the reason must be 1 to {MAX_REASON} printable characters")
        with_password = bool(request.get("password"))
        if with_password:
            self.accounts.check_lock(session.name, address)
            request["operator"] = session.name
        elif self.observer.slow.get("state") == "closed" and request["do"] in QUEUED:
            request["why"] = f"{session.name}: {why}"[:MAX_REASON]
        elif not session.ticket:
            raise AgainError("the venue does not know this session yet; enter your password")
        else:
            request["ticket"] = session.ticket
        try:
            done = ask(self.file.journal, request)
            self.observer.hurry()
            return done
        except DeskError as error:
            if error.code == TICKET_UNKNOWN:
                session.ticket = ""
                raise AgainError("the venue was opened again; enter your password") from None
            if with_password and error.code == WRONG_CREDENTIALS:
                self.accounts.failed(session.name, address)
                raise OperatorError(str(error)) from None
            raise

    def decide_identity(
        self, session: Session, decision: Decision, proof: tuple[str, str], address: str
    ) -> dict[str, Any]:
        """Accept or refuse an identity in the operator's name; ``proof``: password and code.
        Raises :class:`OutcryError`."""
        self.check(session, SUPERVISOR)
        why = decision.why.strip()
        if not why or len(why) > MAX_REASON or not why.isprintable():
            raise DeskError(f"why: the reason must be 1 to {MAX_REASON} printable characters")
        self.accounts.prove(session.name, *proof, address)
        done = self.identities.decide(replace(decision, why=why, by=session.name))
        self.log.write("info", f"console: {session.name} decided an identity: {done}")
        return {"done": [done]}

    def acknowledge(
        self, session: Session, name: str, labels: dict[str, str], why: str
    ) -> dict[str, Any]:
        """Note that an alarm was seen.  Raises :class:`OutcryError` if it is not active."""
        self.check(session, OPERATOR)
        why = why.strip()[:MAX_REASON]
        if not why.isprintable():
            raise DeskError("why: the reason must be printable")
        self.observer.alarms.acknowledge(name, labels, session.name, why)
        self.log.write("info", f"console: {session.name} acknowledged {name}: {why}")
        self.observer.hurry()
        return {"done": [f"{name} is acknowledged"]}
