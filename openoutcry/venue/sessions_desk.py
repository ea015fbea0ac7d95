"""What the exchange operator may ask of sessions while the venue trades: add, change and remove
them.

Each is a document (order_entry/documents.py) that comes as RISK commands (``Setting.SESSION``), so
restarts, replay and a standby see the same sessions.  The acceptor sees a document once its
commands are safe.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from openoutcry.order_entry import documents, session
from openoutcry.order_entry.sessions import Sessions
from openoutcry.order_entry.spec import FIX_BEGIN, FIX_NAME, Admission, Protocol, SessionSpec
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue import session_keys
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.participants_desk import ParticipantsDesk
from openoutcry.venue.requests import BEGUN, BY, NOTHING
from openoutcry.venue.session_switch import SessionSwitch

SESSION_REQUESTS = ("session-add", "session-change", "session-remove")
SOUPBIN_NAME = 6
FIELD = {
    "messages_per_s": "throttle_per_s",
    "burst": "throttle_burst",
    "over_limit": "throttle_policy",
    "second_login": "takeover",
}
"""The field of a session that a key is, where it has another name."""
Request = dict[str, Any]


def require_changeable(name: str, protocol: Protocol) -> None:
    """Raise :class:`DeskError` if sessions of this protocol are in the venue file alone."""
    if protocol in session_keys.IN_FILE_ONLY:
        words = {one: word for word, one in session_keys.PROTOCOLS.items()}
        raise DeskError(
            f"session {name}: sessions of {words[protocol]} can be changed only in the venue file: "
            f"{session_keys.IN_FILE_ONLY[protocol]}"
        )


@dataclass
class SessionsDesk:
    """Turns requests about sessions into work."""

    switch: SessionSwitch | None
    people: ParticipantsDesk

    def work_of(self, request: Request) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        sessions = self.switch.sessions if self.switch is not None else None
        if sessions is None:
            raise DeskError("the venue file has no session and no [[session_slots]]")
        does = {
            "session-add": self._add,
            "session-change": self._change,
            "session-remove": self._remove,
        }
        return does[request["do"]](request, sessions)

    def _add(self, request: Request, sessions: Sessions) -> Work:
        name, protocol = request.get("name"), request.get("protocol")
        known = session_keys.PROTOCOLS
        if protocol not in known:
            raise DeskError(f"there is no protocol {protocol!r}; there are: {', '.join(known)}")
        require_changeable(str(name), known[protocol])
        self._check_name(name, known[protocol], sessions)
        rows = sessions.documents.all_latest()
        free = [
            index
            for index, row in enumerate(rows, 1)
            if row.slot and not row.removed and row.protocol is known[protocol]
        ]
        taken = [at for at, row in enumerate(rows, 1) if row.is_there and _same(row.name, name)]
        if taken and not (request.get(BEGUN) and _same_row(rows[taken[0] - 1], request)):
            raise DeskError(f"session {name!r} already exists")
        if not taken and not free:
            raise DeskError(
                f"no slot for a session of {protocol} is left: add [[session_slots]] to the end of "
                "the venue file, and restart the venue"
            )
        index = taken[0] if taken else free[0]
        participant = request.get("participant")
        if type(participant) is not int or not 1 <= participant <= 65_535:
            raise DeskError(f"{participant!r} is not a participant's number")
        if participant >= len(self.people.view.participants):
            raise DeskError(f"there is no participant {participant}: add it first")
        self.people.require_open(participant)
        if not request.get("password_hash"):
            raise DeskError("a session needs a password's hash: see `outcry venue password`")
        target = request.get("target") or ""
        limits = sessions.spec.admissions.get(participant, Admission())
        if limits.protocols and known[protocol] not in limits.protocols:
            raise DeskError(f"participant {participant} has no sessions of this protocol")
        filed = sessions.documents.filed[index - 1]
        wanted = self._asked(
            replace(filed, name=str(name), participant=participant, target=str(target), slot=False),
            request,
        )
        return self._work(request, sessions, index, wanted, f"session {name} is added")

    def _change(self, request: Request, sessions: Sessions) -> Work:
        index, row = self._named(request, sessions)
        wanted = self._asked(row, request)
        if wanted == row:
            raise DeskError(f"session {row.name} already has these values; nothing was changed")
        return self._work(request, sessions, index, wanted, f"session {row.name} is changed")

    def _remove(self, request: Request, sessions: Sessions) -> Work:
        if request.get(BEGUN):
            rows = enumerate(sessions.documents.all_latest(), 1)
            gone = [at for at, row in rows if row.removed and _same(row.name, request.get("name"))]
            if gone:
                return self._gone(Work(NOTHING, []), sessions, gone[-1])
        index, row = self._named(request, sessions)
        wanted = replace(row, removed=True)
        work = self._work(request, sessions, index, wanted, f"session {row.name} is removed")
        return self._gone(work, sessions, index)

    def _gone(self, work: Work, sessions: Sessions, index: int) -> Work:
        """Then its connection ends, and its orders follow its policy of lost connections."""
        assert self.switch is not None
        name = sessions.documents.latest(index).name
        work.follow = partial(self.switch.switch, sessions, index, name, True)
        return work

    def _named(self, request: Request, sessions: Sessions) -> tuple[int, SessionSpec]:
        name = request.get("name")
        for index, row in enumerate(sessions.documents.all_latest(), 1):
            if row.is_there and row.name == name:
                require_changeable(row.name, row.protocol)
                return index, row
        there = [row.name for row in sessions.documents.rows() if row.is_there]
        raise DeskError(f"there is no session {name!r}; there are: {', '.join(there) or 'none'}")

    def _check_name(self, name: Any, protocol: Protocol, sessions: Sessions) -> None:
        if protocol in FIX_BEGIN:
            if type(name) is not str or not FIX_NAME.fullmatch(name):
                raise DeskError(f"{name!r}: a session of FIX has 1 to 32 letters, digits, - _ .")
            if name == sessions.spec.name:
                raise DeskError(f"{name!r} is also the venue's CompID")
        elif not (
            type(name) is str and name.isascii() and name.isalnum() and len(name) <= SOUPBIN_NAME
        ):
            raise DeskError(
                f"{name!r}: a SoupBinTCP login has 1 to {SOUPBIN_NAME} letters and digits"
            )

    def _asked(self, row: SessionSpec, request: Request) -> SessionSpec:
        """The session as the request wants it."""
        values: dict[str, Any] = {}
        if request.get("password_fault") and row.protocol not in FIX_BEGIN:
            raise DeskError(f"session {row.name}: its password {request['password_fault']}")
        try:
            if request.get("password_hash"):
                values["password_hash"] = session_keys.password_hash(request["password_hash"])
            for key in session_keys.TERMS:
                if request.get(key) is None:
                    continue
                parsed = session_keys.parsed(key, request[key])
                values[FIELD.get(key, key)] = parsed
        except ValueError as error:
            raise DeskError(str(error)) from None
        wanted = replace(row, **values)
        if wanted.timeout_ms <= wanted.heartbeat_ms:
            raise DeskError("timeout_ms must be longer than heartbeat_ms")
        return wanted

    def _work(
        self, request: Request, sessions: Sessions, index: int, wanted: SessionSpec, done: str
    ) -> Work:
        known = sessions.documents
        try:
            text = documents.document_of(known.filed[index - 1], wanted, known.version(index) + 1)
        except ValueError as error:
            raise DeskError(str(error)) from None
        records = np.concatenate(
            [
                setting(Setting.SESSION, second, place, second=first, operator=request[BY])
                for place, first, second in documents.pieces_of(index, text)
            ]
        )

        def refused() -> str:
            """Safe by now: the sessions follow it."""
            if known.put(index, text):
                sessions.follow_documents([index])
            is_so = known.latest(index) == wanted
            return "" if is_so else f"session {wanted.name}: another operator changed it meanwhile"

        more: dict[str, Any] = {"session": wanted.name, "participant": wanted.participant}
        connected = bool(sessions.region.block(index)[session.FD // 8] >= 0)
        if connected and not wanted.removed:
            done += "; its connection stays open, and the next login uses the new values"
        return Work(records, [done], refused, more=more)


def _same(one: str, other: Any) -> bool:
    return isinstance(other, str) and one.casefold() == other.casefold()


def _same_row(row: SessionSpec, request: Request) -> bool:
    """Return whether it is the session that this request, cut off before its answer, has added."""
    asked = request.get("participant"), request.get("password_hash")
    return (row.participant, row.password_hash) == asked
