"""What the exchange operator may ask of participants while the venue trades: add, suspend, resume
and close them.

Each is a RISK command (``Setting.STATUS``), so restarts, replay and a standby see the same
participants.  A number that was closed is never another participant's.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import ParticipantStatus, Setting
from openoutcry.risk.movements import OPEN_STATES
from openoutcry.risk.region import View, setting
from openoutcry.venue.desk import PARTICIPANT_KNOWN, DeskError, Work
from openoutcry.venue.requests import BEGUN, BY, NOTHING

PARTICIPANT_REQUESTS = (
    "participant-add",
    "participant-suspend",
    "participant-resume",
    "participant-close",
)
NAME_MAX = 8
Request = dict[str, Any]


class ParticipantsDesk:
    """Turns requests about participants into work."""

    def __init__(
        self,
        numbers: Iterable[int],
        view: View,
        disconnect: Callable[[int], npt.NDArray[Any]],
        limits: Callable[[str], npt.NDArray[Any]],
    ) -> None:
        """``numbers``: of the venue file; ``disconnect``: cancels all orders of a participant;
        ``limits``: the settings that a new one of a group begins with."""
        self.filed, self.view, self.disconnect = frozenset(numbers), view, disconnect
        self.limits = limits

    def work_of(self, request: Request, first: int, last: int, group: int) -> Work:
        """``first`` to ``last``: the participants' numbers; ``group``: the core's row of the group
        that is named, 0: none is.

        Raises :class:`DeskError` naming what cannot be."""
        if request["do"] == "participant-add":
            return self._add(request, first, last, group)
        self.require_open(first)
        status = self._status(first)
        does = {
            "participant-suspend": self._suspend,
            "participant-resume": self._resume,
            "participant-close": self._close,
        }
        return does[request["do"]](request, first, status)

    def require_open(self, who: int) -> None:
        """Raise :class:`DeskError` unless there is such a participant, which is not closed."""
        status = self._status(who)
        if status is ParticipantStatus.CLOSED:
            raise DeskError(f"participant {who} is closed")
        if status is ParticipantStatus.FILED and who not in self.filed:
            raise DeskError(f"there is no participant {who}: add it first")

    def _add(self, request: Request, first: int, last: int, group: int) -> Work:
        name = _name(request.get("name"))
        if last < first:
            raise DeskError(f"participants {first} to {last}: the first number is above the last")
        if name and first != last:
            raise DeskError("a name belongs to one participant; add a single number")
        column = self.view.participants[:, lay.STATUS // 8][first : last + 1]
        taken = np.flatnonzero(column != ParticipantStatus.FILED) + first
        there = sorted({*taken.tolist(), *(n for n in self.filed if first <= n <= last)})
        if request.get(BEGUN):
            # It was cut off: those that it has added are there.
            there = [n for n in there if self._status(n) is not ParticipantStatus.ACTIVE]
        if there:
            raise DeskError(
                f"participant {there[0]} exists or has existed; numbers are not reused",
                PARTICIPANT_KNOWN,
            )
        new = np.flatnonzero(column == ParticipantStatus.FILED) + first
        word = int.from_bytes(name.encode().ljust(NAME_MAX, b"\0"), "little", signed=True)
        one = setting(Setting.STATUS, ParticipantStatus.ACTIVE, 0, second=word)
        begins = self.limits(request.get("group") or "")
        if group:
            begins = np.concatenate([begins, setting(Setting.GROUP, group)])
        # The limits are in force before the first order can be: every active one has them.
        settings = [*(begins[at : at + 1] for at in range(len(begins))), one]
        records = np.concatenate([_each(each, new, request[BY]) for each in settings])
        shown = f"participant {first}" if first == last else f"participants {first} to {last}"
        verb = "is" if first == last else "are"

        def refused() -> str:
            now = self.view.participants[:, lay.STATUS // 8][first : last + 1]
            left = int((now != ParticipantStatus.ACTIVE).sum())
            return f"{shown}: the core rejected {left}" if left else ""

        return Work(records, [f"{shown} {verb} added"], refused)

    def _suspend(self, request: Request, who: int, status: ParticipantStatus) -> Work:
        if status is ParticipantStatus.SUSPENDED:
            if request.get("keep_orders") or not self.view.of(who, lay.OPEN):
                raise DeskError(f"participant {who} is already suspended")
            done = f"participant {who} is already suspended, its orders are cancelled"
            return Work(self.disconnect(who), [done])
        work = self._set(request, who, ParticipantStatus.SUSPENDED, "is suspended")
        if not request.get("keep_orders"):
            work.records = np.concatenate([work.records, self.disconnect(who)])
            work.done[0] += ", its orders are cancelled"
        return work

    def _resume(self, request: Request, who: int, status: ParticipantStatus) -> Work:
        if status is not ParticipantStatus.SUSPENDED:
            raise DeskError(f"participant {who} is not suspended")
        return self._set(request, who, ParticipantStatus.ACTIVE, "may trade again")

    def _close(self, request: Request, who: int, status: ParticipantStatus) -> Work:
        if status is not ParticipantStatus.SUSPENDED:
            raise DeskError(f"participant {who} is not suspended: suspend it first")
        left = {
            "open orders": self.view.of(who, lay.OPEN),
            "money": self.view.of(who, lay.BALANCE),
            "positions": int(np.count_nonzero(self.view.cells[who, :, lay.POSITION // 8])),
        }
        wallets = self.view.wallets
        if wallets is not None:
            left["assets"] = int(np.count_nonzero(wallets.rows[who, :, :2].any(axis=1)))
            if wallets.movements is not None:
                under_way = wallets.movements.chosen(OPEN_STATES, who)
                left["deposits and withdrawals"] = len(under_way)
        has = [f"{what} ({count:,})" for what, count in left.items() if count]
        if has:
            raise DeskError(f"participant {who} still has {', '.join(has)}")
        return self._set(request, who, ParticipantStatus.CLOSED, "is closed")

    def _set(self, request: Request, who: int, status: ParticipantStatus, done: str) -> Work:
        def refused() -> str:
            is_so = self._status(who) is status
            return (
                ""
                if is_so
                else f"participant {who}: the core rejected it, because something is still open"
            )

        record = setting(Setting.STATUS, status, who, operator=request[BY])
        return Work(record, [f"participant {who} {done}"], refused)

    def _status(self, who: int) -> ParticipantStatus:
        return ParticipantStatus(self.view.of(who, lay.STATUS))


def _each(record: npt.NDArray[Any], numbers: npt.NDArray[Any], operator: int) -> npt.NDArray[Any]:
    """The command for each of these participants."""
    if not len(numbers):
        return NOTHING
    records = np.repeat(record, len(numbers))
    records["qty_lots"], records["order_id"] = numbers, operator
    return records


def _name(value: Any) -> str:
    name = "" if value is None else value
    fits = isinstance(name, str) and len(name) <= NAME_MAX and name.isascii()
    if not fits or not (name == "" or name.isprintable()):
        raise DeskError(f"{value!r}: a name is up to {NAME_MAX} printable ASCII characters")
    return str(name)
