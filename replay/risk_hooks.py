"""Risk around the matcher, from the settings in a journal's configuration."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from openoutcry.matcher.hooks import Hooks
from openoutcry.risk.after import after
from openoutcry.risk.before import APPLIED, ahead, before
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import RiskError, make_region, setting


def risk_hooks(settings: Mapping[str, Any], instruments: npt.NDArray[Any]) -> Hooks:
    """``settings``: ``participants``, ``order_capacity`` (as the matcher's), ``groups``,
    ``multipliers`` and ``leveraged`` as ``make_region`` takes them, and ``limits``: rows of
    ``{"set": a Setting's name, "value": …, "who": …, "symbol": …, "second": …}``.

    Raises :class:`RiskError` naming the row that makes no sense.
    """
    region = make_region(
        instruments,
        int(settings["participants"]),
        int(settings.get("groups", 1)),
        int(settings["order_capacity"]),
        settings.get("multipliers"),
        settings.get("leveraged", ()),
    )
    for number, row in enumerate(settings.get("limits", ())):
        if row.get("set") not in Setting.__members__:
            raise RiskError(f"limits row {number}: {row.get('set')!r} is no setting")
        symbol = str(row.get("symbol", "")).encode("ascii", "replace")
        record = setting(
            Setting[row["set"]], int(row["value"]), int(row.get("who", 0)), symbol,
            int(row.get("second", 0)),
        )  # fmt: skip
        if before(region.ctypes.data, record.ctypes.data) != APPLIED:
            raise RiskError(f"limits row {number}: {dict(row)} makes no sense")
    return Hooks(region, before, after, ahead)
