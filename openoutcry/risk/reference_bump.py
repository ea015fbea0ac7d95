"""The speed bump in plain Python: a list that is sorted for every query."""

from typing import Any

from openoutcry.risk.speed_bump import SET_BACK_NS
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.order_ids import LEG_ORDER_IDS

MASK = (1 << 64) - 1


def drawn(seed: int, seq: int, window: int) -> int:
    """SplitMix64 of seed and sequence, below ``window``."""
    mixed = (seed + seq * 0x9E3779B97F4A7C15) & MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return (mixed >> 2) % window


class PlainBump:
    """The waiting commands, until when, and which may enter."""

    def __init__(self) -> None:
        self.delay_ns = self.window_ns = self.seed = self.now_ns = 0
        self.holds_terms = False
        self.waiting: list[tuple[int, int]] = []
        """Release time and sequence."""
        self.last: dict[int, int] = {}
        """When each participant's last command is released."""

    def set(self, delay_ns: int, window_ns: int, seed: int, now_ns: int, holds_terms: bool) -> None:
        """Set delay, window (ns) and seed of the bump, and whether TERMS wait. If time went back,
        what waits moves with it."""
        back = self.now_ns - now_ns
        if back > SET_BACK_NS:
            self.now_ns = now_ns
            self.waiting = [(release - back, seq) for release, seq in self.waiting]
            self.last = {who: max(0, release - back) for who, release in self.last.items()}
        self.delay_ns, self.window_ns, self.seed = delay_ns, window_ns, seed
        self.holds_terms = holds_terms

    def has_terms(self, command: Any) -> bool:
        """Return whether a command belongs to a session's order with terms, all of which wait."""
        kind, of_a_leg = int(command["kind"]), int(command["order_id"]) >= LEG_ORDER_IDS
        return self.holds_terms and of_a_leg and kind in (0, CommandKind.NEW, CommandKind.TERMS)

    def is_held(self, command: Any) -> bool:
        """Return whether commands of this kind wait, if there is a delay."""
        kind = int(command["kind"])
        if kind == CommandKind.TERMS:
            return self.holds_terms
        return 0 < kind <= CommandKind.MASS_CANCEL or self.has_terms(command)

    def time(self, rx_ts_ns: int) -> list[int]:
        """Advance to this time; returns the sequences of the commands that enter now, in order."""
        self.now_ns = max(self.now_ns, rx_ts_ns)
        enter = sorted(entry for entry in self.waiting if entry[0] <= self.now_ns)
        self.waiting = [entry for entry in self.waiting if entry[0] > self.now_ns]
        return [seq for _, seq in enter]

    def release_of(self, command: Any) -> int:
        """Return when a participant's command is due: not before its participant's last one."""
        seq, who = int(command["seq"]), int(command["participant"])
        release = int(command["rx_ts_ns"]) + self.delay_ns
        if self.window_ns:
            release += drawn(self.seed, seq, self.window_ns)
        return max(release, self.last.get(who, 0))

    def hold(self, command: Any) -> int | None:
        """Return when a participant's command enters; None: at once."""
        if not (self.delay_ns or self.window_ns or self.waiting):
            return None
        release = self.release_of(command)
        if release <= self.now_ns:
            return None
        self.waiting.append((release, int(command["seq"])))
        self.last[int(command["participant"])] = release
        return release
