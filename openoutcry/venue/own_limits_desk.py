"""What the owner of an account may ask of the desk: limits and a kill of their own.

The portal asks, after its own checks.  The core keeps them next to the operator's, and the stricter
of the two is in force (``risk/own_limits.py``).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.own_limits import OF_CELLS as OWN_CELLS
from openoutcry.risk.own_limits import OF_PARTICIPANTS as OWN_OF_ALL
from openoutcry.risk.own_limits import OWNERS
from openoutcry.risk.region import View, setting
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import BY, EFFECTIVE, NOTHING
from openoutcry.venue.risk_tables import OF_CELLS, OF_PARTICIPANTS, shown, usual_burst
from openoutcry.wire.symbols import code_of

OWN_LIMIT, OWN_LIMITS = "own-limit", "own-limits"
NAMES = {
    name: one
    for name, one in (OF_PARTICIPANTS | OF_CELLS).items()
    if one.setting in (*OWN_OF_ALL, *OWN_CELLS)
}
KILLED = "killed"
Request = dict[str, Any]


class OwnLimitsDesk:
    """Turns such requests into work."""

    def __init__(
        self,
        symbols: list[str],
        view: View,
        time_every_s: int,
        require_open: Callable[[int], None],
        disconnect: Callable[[int], npt.NDArray[Any]],
    ) -> None:
        """``require_open`` raises :class:`DeskError` unless there is such a participant, which is
        not closed; ``disconnect``: cancels all orders of a participant."""
        self.symbols, self.view, self.time_every_s = symbols, view, time_every_s
        self.require_open, self.disconnect = require_open, disconnect

    def work_of(self, request: Request, who: int) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        if request[BY]:
            raise DeskError("an own limit is set by the owner of the account, and by no operator")
        if self.view.own is None:
            text = "the journal began without room for own limits; `outcry venue carry` makes some"
            raise DeskError(text)
        self.require_open(who)
        name = request.get("limit")
        return self._kill(request, who) if name == KILLED else self._limit(request, who)

    def _kill(self, request: Request, who: int) -> Work:
        """Blocking comes before cancelling."""
        on = request.get("value")
        if type(on) is not bool:
            raise DeskError(f"{KILLED}: {on!r} is not true or false")
        record = setting(Setting.KILL, int(on), who)
        record["time_in_force"] = OWNERS
        # After its effect only what follows is left: another request may have ended the kill.
        follows = on and (not request.get(EFFECTIVE) or self._is_killed(who))
        follow = (lambda: self._cancel(who)) if follows else (lambda: None)
        done = (
            f"participant {who} is killed by its owner" if on else f"its owner's kill of {who} ends"
        )
        return Work(record, [done], follow=follow)

    def _cancel(self, who: int) -> Work:
        def refused() -> str:
            left = self.view.of(who, lay.OPEN) if self._is_killed(who) else 0
            return f"participant {who} is killed, but {left} orders are still open" if left else ""

        return Work(self.disconnect(who), ["its orders are cancelled"], refused)

    def _is_killed(self, who: int) -> bool:
        return self.view.of(who, lay.FLAGS) & lay.KILLED_BY_OWNER != 0

    def _limit(self, request: Request, who: int) -> Work:
        name, symbol = request.get("limit"), str(request.get("instrument") or "")
        if name not in NAMES:
            raise DeskError(f"there is no own limit {name!r}; there are {', '.join(NAMES)}")
        if bool(symbol) != (name in OF_CELLS):
            counts = "applies to all instruments together" if symbol else "needs an instrument"
            raise DeskError(f"{name} {counts}")
        if symbol and symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        index, what = self.symbols.index(symbol) if symbol else -1, NAMES[name].setting
        try:
            value = NAMES[name].parse(request.get("value"))
        except ValueError as error:
            raise DeskError(f"{name}: {error}") from None
        second = usual_burst(value, self.time_every_s) if what is Setting.RATE else 0
        if request.get(EFFECTIVE):
            return Work(NOTHING, [f"{name} was set"])
        record = setting(what, value, who, code_of(symbol) if symbol else b"", second)
        record["time_in_force"] = OWNERS

        def refused() -> str:
            assert self.view.own is not None
            found = self.view.own.find(who, what, index)
            if found is not None and found[0] == value:
                return ""
            return f"{name} of participant {who}: the core has no room for more own limits"

        place = f"{name} of participant {who}{f' in {symbol}' if symbol else ''}"
        return Work(record, [f"own {place} is {shown(what, value)}"], refused)

    def listed(self, who: int) -> Work:
        """The participant's own limits, in the answer's ``limits``."""
        own = {} if self.view.own is None else self.view.own.of(who)
        names = {one.setting: name for name, one in NAMES.items()}
        rows = [
            {
                "limit": names[what],
                "instrument": self.symbols[index] if index >= 0 else "",
                "value": shown(what, values[0]),
            }
            for (what, index), values in own.items()
            if values[0] != NAMES[names[what]].default
        ]
        more = {"limits": rows, KILLED: self._is_killed(who), "has_room": self.view.own is not None}
        return Work(NOTHING, [f"{len(rows)} own limits"], more=more)


def own_rows(view: View, who: int, symbols: list[str]) -> list[dict[str, Any]]:
    """Return a participant's own limits, as ``limits show`` has them."""
    desk = OwnLimitsDesk(symbols, view, 1, lambda _: None, lambda _: np.zeros(0))
    return [
        {"of": f"participant {who} {row['instrument']}".rstrip()}
        | {"what": f"own {row['limit']}", "value": row["value"]}
        for row in desk.listed(who).more["limits"]
    ]
