"""Two persons for what widens: a limit that an operator would loosen waits for another one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openoutcry.risk.bits import Setting

WAIT_S = 600.0
"""As long as a wish waits for its second person."""
WIDER_ABOVE = {
    Setting.CREDIT, Setting.EXPOSURE_BUY, Setting.EXPOSURE_SELL, Setting.GROSS_POSITION,
    Setting.OPEN_ORDERS, Setting.LOSS, Setting.DRAWDOWN, Setting.POSITION_LONG,
    Setting.POSITION_SHORT, Setting.MAX_QTY, Setting.MAX_VALUE, Setting.DISTANCE,
    Setting.ADV_SHARE, Setting.GROUP_GROSS_POSITION,
}  # fmt: skip
"""More of these lets more through.  Of all others less does: ns an order, a window, a margin, a
switch."""
OFF_AT_ZERO = {Setting.RATE, Setting.ADV}
"""0: nothing is checked."""


def widens(what: Setting, before: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Return whether a setting's value and second value let more through than those before."""
    old, new = before[0], wanted[0]
    if what in WIDER_ABOVE:
        return new > old
    if what is Setting.RATE and old and new:
        return new < old or wanted[1] > before[1]
    if what is Setting.ADV and old and new:
        return new > old
    if what in OFF_AT_ZERO:
        return bool(old) and not new
    return new < old


@dataclass(frozen=True)
class Wish:
    """An operator's request."""

    operator: int
    until_s: float
    shown: str
    asked: tuple[str, int] = ("", 0)
    """Reference and content of the request."""


class FourEyes:
    """Wishes that wait for a second person."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.wishes: dict[Any, Wish] = {}

    def confirmed(
        self, key: Any, operator: int, shown: str, asked: tuple[str, int] = ("", 0)
    ) -> Wish | None:
        """Return another operator's wish for the same (``key``); without one, keep this wish.
        ``asked``: reference and content of the request."""
        wish = self.wishes.get(key)
        if wish and wish.until_s > self.clock() and wish.operator != operator:
            del self.wishes[key]
            return wish
        self.wishes[key] = Wish(operator, self.clock() + WAIT_S, shown, asked)
        return None

    def waiting(self) -> list[Wish]:
        """Return the requests that wait for a second operator; those that are too old are
        forgotten."""
        now = self.clock()
        self.wishes = {key: wish for key, wish in self.wishes.items() if wish.until_s > now}
        return list(self.wishes.values())
