"""What was killed, halted and let trade again in a venue, when and by whom, from its journal."""

from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.pipeline.venue.calendar import utc_text
from openoutcry.pipeline.venue.operations import STEPS
from openoutcry.pipeline.venue.risk_tables import RiskSpec, name_number
from openoutcry.replay.events import events_of, starting_point
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.wire.enums import EventKind

SWITCHES = (
    Setting.KILL, Setting.GROUP_KILL, Setting.HALT, Setting.MARKET_KILL, Setting.EMERGENCY,
)  # fmt: skip


def switch_history(journal: Path, spec: RiskSpec) -> list[dict[str, Any]]:
    """A row each: ``seq``, ``at``, ``what`` (participant 7, group alpha, GOLD, the market), ``did``
    and ``operator`` (nothing, if none was named).  What the core refused is not among them."""
    rows: list[dict[str, Any]] = []
    numbers = {name_number(name): name for name in spec.groups}
    groups: dict[int, str] = {}
    reader = JournalReader(journal)
    for batch in events_of(reader, starting_point(reader)):
        commands, events = np.array(batch.commands), np.array(batch.events)
        done = set(events["cause_seq"][events["kind"] == EventKind.COMPLETED].tolist())
        for one in commands[commands["kind"] == RISK_KIND]:
            if int(one["seq"]) not in done:
                continue
            what, value = Setting(int(one["order_type"])), int(one["aux"])
            if what is Setting.GROUP_NAME:
                groups[int(one["qty_lots"])] = numbers.get(value, "")
            if what in SWITCHES:
                rows.append(_row(one, what, value, groups, spec))
    return rows


def _row(
    one: Any, what: Setting, value: int, groups: dict[int, str], spec: RiskSpec
) -> dict[str, Any]:
    who, operator = int(one["qty_lots"]), int(one["order_id"])
    shown = {
        Setting.KILL: f"participant {who}",
        Setting.GROUP_KILL: f"group {groups.get(who) or who}",
        Setting.HALT: bytes(one["symbol"]).decode(),
    }.get(what, "the market")
    did = "halted" if what is Setting.HALT else "killed"
    if what is Setting.EMERGENCY:
        did = f"emergency close: step {value} of {len(STEPS)}: {STEPS[value - 1]}"
    elif not value:
        did = "asked to be opened" if what is Setting.MARKET_KILL else "may trade again"
    known = 1 <= operator <= len(spec.operators)
    return {
        "seq": int(one["seq"]), "at": utc_text(int(one["rx_ts_ns"])), "what": shown, "did": did,
        "operator": spec.operators[operator - 1].name if known else "",
    }  # fmt: skip
