"""Enable and disable sessions, and their status.

A session that is switched off logs its client out and refuses logins.  Its orders follow its policy
of lost connections, without grace.  The request is in the session's block, where the sessions'
stage reads it.  The stage records what it does on the sessions' lane, so the session stays off over
restarts, until it is switched on again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from openoutcry.order_entry import session, session_region, shm_layout
from openoutcry.order_entry.acceptor import REASONS
from openoutcry.order_entry.sessions import Sessions
from openoutcry.order_entry.shm_layout import End
from openoutcry.order_entry.spec import EVERY, Admission, Protocol, SessionSpec, names_of
from openoutcry.venue.desk import DeskError, Work
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import OrderType, TimeInForce


@dataclass
class SessionSwitch:
    """Enables and disables sessions of one run; ``is_processed``: whether core and disk have
    processed the sessions' lane up to there; ``note``: the operator's messages."""

    sessions: Sessions | None
    is_processed: Callable[[int], bool]
    note: Callable[[str], None]

    @property
    def names(self) -> dict[str, int]:
        """Index of each session that there is now."""
        rows = self.sessions.documents.rows() if self.sessions is not None else []
        return {row.name: index for index, row in enumerate(rows, 1) if row.is_there}

    def work(self, name: Any, on: bool) -> Work:
        """Switch a session off (``on``: the kill is on), or on again.

        Raises :class:`DeskError` if there is no such session."""
        names = self.names
        if self.sessions is None or name not in names:
            known = ", ".join(names) or "none"
            raise DeskError(
                f"there is no session {name!r} of OUCH, FIX or drop copies; there "
                f"are: {known} (of packets: kill the participant)"
            )
        return self.switch(self.sessions, names[name], name, on)

    def switch(self, sessions: Sessions, index: int, name: Any, on: bool) -> Work:
        """Like :meth:`work`, for the session with this index."""
        region = sessions.region
        block = region.block(index)
        self.note(f"operator: session {name}: {'kill' if on else 'enable'}")
        block[session.SWITCH // 8] = session.SWITCH_OFF if on else session.SWITCH_ON
        sessions.wake()
        lane_seq: list[int] = []

        def ready() -> bool:
            if block[session.SWITCH // 8] != 0:
                return False
            if not lane_seq:
                lane_seq.append(region[session_region.LANE_SEQ])
            return self.is_processed(lane_seq[0])

        def refused() -> str:
            is_off = bool(block[session.KILLED // 8])
            return "" if is_off == on else f"session {name}: another operator switched it meanwhile"

        done = f"session {name} may log in again"
        if on:
            done = (
                f"session {name} is killed; its orders are cancelled according to its "
                "cancel_on_disconnect"
            )
        return Work(np.zeros(0, ORDER_DTYPE), [done], refused, ready=ready)

    def status(self) -> list[dict[str, Any]]:
        """A row for each session, and one for logins that named none."""
        if self.sessions is None:
            return []
        now_ns = self.sessions.clock.monotonic_ns()
        rows = [self._row(index, now_ns) for index in self.names.values()]
        nobody = refused_logins(self.sessions.region.block(0))
        return [*rows, {"name": "", "refused_logins": nobody}] if nobody else rows

    def _row(self, index: int, now_ns: int) -> dict[str, Any]:
        assert self.sessions is not None
        row, block = self.sessions.documents.row(index), self.sessions.region.block(index)
        words = {
            "connections": session.GENERATION,
            "messages": session.MESSAGES,
            "refused": session.REFUSED,
            "throttled": session.THROTTLED,
            "duplicates": session.DUPLICATES,
            "faults": session.FAULTS,
            "slow": session.SLOW,
            "open_orders": session.OPEN_ORDERS,
        }
        return {
            "name": row.name,
            "protocol": row.protocol.name,
            "participant": row.participant,
            "connected": bool(block[session.FD // 8] >= 0),
            "killed": bool(block[session.KILLED // 8]),
            "sequence": int(self.sessions.streams[index - 1].count),
            "locked": bool(block[session.LOCKED_UNTIL_NS // 8] > now_ns),
            **{name: int(block[word // 8]) for name, word in words.items()},
            "refused_logins": refused_logins(block),
            **may_enter(self.sessions.spec.admission_of(row)),
            **over_shared_memory(row, block),
        }


def may_enter(admission: Admission) -> dict[str, Any]:
    """Return what a session may enter, where it is not everything."""
    fields: dict[str, Any] = {}
    if admission.order_types != EVERY:
        fields["order_types"] = names_of(admission.order_types, OrderType)
    if admission.times_in_force != EVERY:
        fields["times_in_force"] = names_of(admission.times_in_force, TimeInForce)
    if not admission.lists:
        fields["lists"] = False
    return fields if admission.quotes else fields | {"quotes": False}


def over_shared_memory(row: SessionSpec, block: Any) -> dict[str, Any]:
    """Return why the last connection over shared memory ended, and the ranges that a broker acts
    for."""
    if row.protocol != Protocol.SHM:
        return {}
    ended = End(int(block[shm_layout.ENDED // 8]))
    fields: dict[str, Any] = {"ended": ended.name.lower().replace("_", " ")} if ended else {}
    if row.acts_for:
        fields["acts_for"] = [list(ends) for ends in row.acts_for]
    return fields


def refused_logins(block: Any) -> dict[str, int]:
    """Return how many logins were refused, by reason."""
    counts = block[session.LOGINS // 8 :][: len(REASONS)].tolist()
    return {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}
