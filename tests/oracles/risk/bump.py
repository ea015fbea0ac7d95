"""The queue of the speed bump in plain Python: what the kernels are compared with."""

from collections.abc import Iterable
from typing import Any

from openoutcry.risk.reference_bump import PlainBump
from openoutcry.risk.speed_bump import MAX_DELAY_NS
from openoutcry.wire.enums import NEW_DAY, CommandKind

DISCONNECT, MASS_CANCEL = CommandKind.DISCONNECT, CommandKind.MASS_CANCEL
LESS = CommandKind.CANCEL, CommandKind.REDUCE, MASS_CANCEL
"""They have room when nothing else has."""
WAITS = *LESS, CommandKind.NEW, CommandKind.REPLACE, CommandKind.SET_EXPIRY


class PlainQueue(PlainBump):
    """With the commands themselves, and places for so many of them."""

    def __init__(self, capacity: int, participants: int, symbols: Iterable[bytes]) -> None:
        super().__init__()
        self.capacity, self.participants, self.symbols = capacity, participants, set(symbols)
        self.held: dict[int, Any] = {}
        """Who waits, by sequence."""
        self.withdrawn: set[int] = set()

    def switch(self, delay_ns: int, window_ns: int, seed: int, now_ns: int) -> bool:
        """As :meth:`set`; False, and nothing changed, for what makes no sense."""
        if not (0 <= delay_ns <= MAX_DELAY_NS and 0 <= window_ns <= MAX_DELAY_NS):
            return False
        self.set(delay_ns, window_ns, seed, now_ns)
        return True

    def due(self, rx_ts_ns: int) -> list[tuple[int, Any, bool]]:
        """It is this time: those that enter now, in their turn, each with the sequence that it came
        with, and whether it was withdrawn."""
        return [(seq, self.held.pop(seq), seq in self.withdrawn) for seq in self.time(rx_ts_ns)]

    def came(self, c: Any, is_part: bool = False) -> int | tuple[int, int, int] | None:
        """When a command enters that came; None: at once.  Three figures, places for its like,
        taken, and asked for: there is no room.  ``is_part``: of a liquidation."""
        kind, who, symbol = int(c["kind"]), int(c["participant"]), bytes(c["symbol"])
        if kind == DISCONNECT and who:
            self._withdraw(who, b"")
        if kind == MASS_CANCEL and not who and int(c["aux"]) != NEW_DAY:
            self._withdraw(0, symbol)
        known = symbol in self.symbols or (kind == MASS_CANCEL and symbol == b"")
        if kind not in WAITS or not 0 < who < self.participants or is_part or not known:
            return None
        taken, last = len(self.waiting), self.last.copy()
        release = self.hold(c)
        room = self.capacity - (0 if kind in LESS else self.capacity // 4)
        if release is not None and taken >= room:
            self.waiting.pop()
            self.last = last
            return room, taken, taken + 1
        if release is not None:
            self.held[int(c["seq"])] = c
        return release

    def _withdraw(self, who: int, symbol: bytes) -> None:
        """What waits of a participant (0: of anybody), of a symbol (empty: of any)."""
        self.withdrawn |= {
            seq
            for seq, held in self.held.items()
            if who in (0, int(held["participant"])) and symbol in (b"", bytes(held["symbol"]))
        }
