"""The queue of the speed bump in plain Python: what the kernels are compared with."""

from collections.abc import Iterable
from typing import Any

from openoutcry.risk.reference_bump import PlainBump
from openoutcry.risk.speed_bump import MAX_DELAY_NS
from openoutcry.wire.enums import LEGS_SHIFT, MAX_LEGS, NEW_DAY, CommandKind, Term

DISCONNECT, MASS_CANCEL = CommandKind.DISCONNECT, CommandKind.MASS_CANCEL
LESS = 0, CommandKind.CANCEL, CommandKind.REDUCE, MASS_CANCEL
"""They have room when nothing else has."""


class PlainQueue(PlainBump):
    """With the commands themselves, and places for so many of them."""

    def __init__(self, capacity: int, participants: int, symbols: Iterable[bytes]) -> None:
        super().__init__()
        self.capacity, self.participants, self.symbols = capacity, participants, set(symbols)
        self.held: dict[int, Any] = {}
        """Who waits, by sequence."""
        self.withdrawn: set[int] = set()
        self.rest = 0
        """What of the list, or order, that begins is still to come, and has its places."""

    def switch(
        self, delay_ns: int, window_ns: int, seed: int, now_ns: int, holds_terms: int
    ) -> bool:
        """As :meth:`set`; False, and nothing changed, for what makes no sense."""
        if not (0 <= delay_ns <= MAX_DELAY_NS and 0 <= window_ns <= MAX_DELAY_NS):
            return False
        if holds_terms not in (0, 1):
            return False
        self.set(delay_ns, window_ns, seed, now_ns, bool(holds_terms))
        return True

    def due(self, rx_ts_ns: int) -> list[tuple[int, Any, bool]]:
        """It is this time: those that enter now, in their turn, each with the sequence that it came
        with, and whether it was withdrawn."""
        return [(seq, self.held.pop(seq), seq in self.withdrawn) for seq in self.time(rx_ts_ns)]

    def came(self, c: Any, is_part: bool = False) -> int | tuple[int, int, int] | None:
        """When a command enters that came; None: at once.  Three figures, places for its like,
        taken, and asked for: there is no room.  ``is_part``: of a liquidation."""
        kind, who, symbol = int(c["kind"]), int(c["participant"]), bytes(c["symbol"])
        if int(c["error_code"]) and not self.has_terms(c):
            return None
        if kind == DISCONNECT and who:
            self._withdraw(who, b"")
        if kind == MASS_CANCEL and not who and int(c["aux"]) != NEW_DAY:
            self._withdraw(0, symbol)
        known = symbol in self.symbols or (kind in (0, MASS_CANCEL) and symbol == b"")
        if not self.is_held(c) or not 0 < who < self.participants or is_part or not known:
            return None
        if not (self.delay_ns or self.window_ns or self.waiting):
            return None
        room = self.capacity - (0 if kind in LESS else self.capacity // 4)
        taken, asked = self._places(c, room)
        last = self.last.copy()
        release = self.hold(c)
        if release is not None and taken + asked > room:
            self.waiting.pop()
            self.last = last
            return room, taken, taken + asked
        if release is not None:
            self.held[int(c["seq"])] = c
        return release

    def _places(self, c: Any, room: int) -> tuple[int, int]:
        """How many places are taken for this command, and how many it asks for."""
        waiting = len(self.waiting)
        if not self.has_terms(c) or not int(c["kind"]):
            return waiting + self.rest, 1
        is_list = int(c["order_type"]) == Term.LIST
        if int(c["kind"]) == CommandKind.TERMS and not (is_list and int(c["qty_lots"]) != 1):
            legs = min(max(int(c["aux"]) >> LEGS_SHIFT, 1), MAX_LEGS) if is_list else 1
            self.rest = 2 * legs - 1 if waiting + 2 * legs <= room else 0
            return waiting, 2 * legs
        if self.rest == 0:
            return max(waiting, room), 1
        self.rest -= 1
        return 0, 0

    def _withdraw(self, who: int, symbol: bytes) -> None:
        """What waits of a participant (0: of anybody), of a symbol (empty: of any)."""
        self.withdrawn |= {
            seq
            for seq, held in self.held.items()
            if who in (0, int(held["participant"])) and symbol in (b"", bytes(held["symbol"]))
        }
