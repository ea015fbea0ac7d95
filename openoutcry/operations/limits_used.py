"""How much of participants' limits is used, from the risk state in shared memory."""

from typing import Any

from openoutcry.pipeline.risk_state import risk_state
from openoutcry.ring import ProcessIdentity
from openoutcry.risk import layout as lay
from openoutcry.risk.settings import setting_in_force
from openoutcry.venue.risk_tables import OF_PARTICIPANTS

NEAR = 0.9
AGAINST = {
    "open_orders": lay.OPEN,
    "exposure_buy": lay.BUY_EXPOSURE,
    "exposure_sell": lay.SELL_EXPOSURE,
    "gross_position": lay.GROSS,
}
"""Limits whose use the risk state keeps, and in which field."""


class LimitsUsed:
    """The limits that one run uses; none if it has no risk state."""

    def __init__(self, owner: ProcessIdentity) -> None:
        self.view = risk_state(owner)

    def shares(self, participants: list[int]) -> dict[str, list[float]]:
        """By limit: what is used of it, 1 being all, of each participant that has it.  Read while
        the core writes: each number was true at some moment."""
        shares: dict[str, list[float]] = {name: [] for name in AGAINST}
        if self.view is None:
            return {}
        for name, field in AGAINST.items():
            one = OF_PARTICIPANTS[name]
            for who in participants:
                limit = setting_in_force(self.view, one.setting, who)[0]
                if limit != one.default:
                    shares[name].append(_share(self.view.of(who, field), limit))
        return shares


def _share(used: int, limit: int) -> float:
    return used / limit if limit > 0 else float(used > 0)


def add_limits(out: Any, used: LimitsUsed, participants: list[int], venue: str) -> None:
    """The metrics of these participants."""
    for name, shares in used.shares(participants).items():
        out.gauge(
            "outcry_limit_used_ratio",
            "Largest used fraction of a limit among participants, 0 to 1.",
            max(shares, default=0.0),
            venue=venue,
            limit=name,
        )
        out.gauge(
            "outcry_limits_near",
            "Participants that have used nine tenths of a limit.",
            sum(share >= NEAR for share in shares),
            venue=venue,
            limit=name,
        )
