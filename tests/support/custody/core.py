"""The core's rules for movements, in memory: a venue for tests of the scanner and the payer.

It says no where ``risk/movements.py`` does, and does each reference once.  It may be told to die
before or after a step, as a venue whose answer is lost.
"""

from dataclasses import dataclass, field

from openoutcry.custody.venue import VenueError, step_reference


class Lost(Exception):
    """The asking process is gone at this moment."""


@dataclass
class Movement:
    kind: str
    participant: int
    asset: str
    units: int
    state: str


FROM = {
    "withdrawal-approve": (("requested",), "approved"),
    "withdrawal-sent": (("approved",), "sent"),
    "withdrawal-done": (("sent",), "done"),
    "withdrawal-cancel": (("requested", "approved"), "cancelled"),
    "withdrawal-fail": (("sent",), "failed"),
    "deposit-credit": (("seen",), "credited"),
    "deposit-reverse": (("seen", "credited"), "reversed"),
}


@dataclass
class Core:
    """``balances``: by participant and asset; available, reserved."""

    movements: dict[str, Movement] = field(default_factory=dict)
    balances: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    credits: dict[str, int] = field(default_factory=dict)
    """How often each deposit was credited."""
    is_open: bool = True
    lose: str = ""
    """"before" or "after": the next step loses its caller there."""

    def balance(self, participant, asset):
        return self.balances.setdefault((participant, asset), [0, 0])

    def _lost(self, when):
        if self.lose == when:
            self.lose = ""
            raise Lost(when)
        if not self.is_open:
            raise VenueError("the venue is not running, or is closed", is_passing=True)

    def _begin(self, kind, participant, asset, units, reference):
        self._lost("before")
        known = self.movements.get(reference)
        made = (kind, participant, asset, units)
        if known is not None:
            if (known.kind, known.participant, known.asset, known.units) != made:
                raise VenueError(f"reference {reference!r} belongs to another movement")
            return
        if kind == "withdrawal":
            held = self.balance(participant, asset)
            if held[0] < 0:
                raise VenueError(
                    f"participant {participant} is short of {asset}", "deposit_reversed"
                )
            if units > held[0]:
                text = f"participant {participant} has {held[0]} {asset} available"
                raise VenueError(text, "insufficient_balance")
            held[0] -= units
            held[1] += units
        self.movements[reference] = Movement(*made, "seen" if kind == "deposit" else "requested")
        self._lost("after")

    def seen(self, participant, asset, units, reference, decimals):
        self._begin("deposit", participant, asset, units, reference)

    def requested(self, participant, asset, units, reference, decimals):
        self._begin("withdrawal", participant, asset, units, reference)

    def step(self, do, reference):
        self._lost("before")
        name = step_reference(do, reference)
        if name in self.done:
            return
        one = self.movements.get(reference)
        before, after = FROM[do]
        if one is None or one.kind != do.partition("-")[0]:
            raise VenueError(f"there is no {do.partition('-')[0]} {reference!r}")
        if one.state not in before:
            raise VenueError(f"{reference!r} is {one.state}: nothing is done")
        held = self.balance(one.participant, one.asset)
        if do == "deposit-credit":
            held[0] += one.units
            self.credits[reference] = self.credits.get(reference, 0) + 1
        elif do == "deposit-reverse" and one.state == "credited":
            held[0] -= one.units
        elif do in ("withdrawal-cancel", "withdrawal-fail"):
            held[0] += one.units
            held[1] -= one.units
        elif do == "withdrawal-done":
            held[1] -= one.units
        one.state = after
        self.done.add(name)
        self._lost("after")

    def movement(self, kind, participant, reference):
        one = self.movements.get(reference)
        if one is None or one.kind != kind or one.participant != participant:
            return None
        return {
            "reference": reference, "participant": participant, "asset": one.asset,
            "amount": one.units, "state": one.state,
        }  # fmt: skip

    def listed(self, kind, state):
        return [
            name for name, one in self.movements.items() if (one.kind, one.state) == (kind, state)
        ]
