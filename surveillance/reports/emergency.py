"""Emergency notification: what stopped a market, since when, for whom, what became of its orders.

For the venue's notice to its authority (Directive 2014/65/EU, Articles 31(2), 48(5) and 54(2):
disorderly trading, suspensions, circuit breakers), from the journal alone: halts, kills, emergency
closes and the core's own pauses, each with the command that ended it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.replay.events import events_of, starting_point
from openoutcry.replay.projections import JournalReader, PauseCause, Setting
from openoutcry.replay.tables import StampBounds
from openoutcry.surveillance.reports import schema as s
from openoutcry.surveillance.reports.schema import Field, Row, Table, alphanumeric, one_of
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason
from openoutcry.wire.records import MAX_VALUE

SWITCHES = {
    int(Setting.KILL): "PARTICIPANT_KILLED", int(Setting.GROUP_KILL): "GROUP_KILLED",
    int(Setting.HALT): "INSTRUMENT_HALTED", int(Setting.MARKET_KILL): "MARKET_KILLED",
    int(Setting.EMERGENCY): "EMERGENCY_CLOSE",
}  # fmt: skip
PAUSED, HALT_PHASE = "PAUSED_BY_PROTECTION", "PHASE_HALT"
STOPPED = (Phase.HALT, Phase.VOLATILITY_AUCTION)
TABLE = Table("emergency notification", "Directive 2014/65/EU, Articles 31(2), 48(5), 54(2)", (
    Field(1, "what", one_of(*SWITCHES.values(), PAUSED, HALT_PHASE)),
    Field(2, "about", alphanumeric(40)),
    Field(3, "cause", alphanumeric(60), True),
    Field(4, "from_seq", s.WHOLE),
    Field(5, "from_time", s.TIME),
    Field(6, "bound_ns", s.WHOLE, True),
    Field(7, "until_seq", s.WHOLE, True),
    Field(8, "until_time", s.TIME, True),
    Field(9, "duration_s", r"\d{1,12}\.\d{6}", True),
    Field(10, "orders_cancelled", s.WHOLE),
    Field(11, "orders_refused", s.WHOLE),
))  # fmt: skip


@dataclass
class _Stop:
    what: str
    about: str
    cause: str
    seq: int
    ts_ns: int
    bound_ns: int
    until_seq: int = 0
    until_ns: int = 0
    cancelled: int = 0
    refused: int = 0

    def row(self) -> Row:
        over = self.until_seq != 0
        took_us = (self.until_ns - self.ts_ns) // 1_000
        return {
            "what": self.what, "about": self.about, "cause": self.cause,
            "from_seq": str(self.seq), "from_time": s.time_text(self.ts_ns),
            "bound_ns": "" if self.bound_ns == MAX_VALUE else str(self.bound_ns),
            "until_seq": str(self.until_seq) if over else "",
            "until_time": s.time_text(self.until_ns) if over else "",
            "duration_s": f"{took_us // 10**6}.{took_us % 10**6:06d}" if over else "",
            "orders_cancelled": str(self.cancelled), "orders_refused": str(self.refused),
        }  # fmt: skip


def stops(directory: Path, from_ns: int = -(2**63), to_ns: int = 2**63 - 1) -> list[Row]:
    """What began from ``from_ns`` on and before ``to_ns`` (ingress, ns since the epoch), in order;
    what is not over has no end.  ``orders_cancelled``: with the very command; ``orders_refused``:
    while it lasted, for being halted, killed or in a phase that takes none."""
    reader = JournalReader(directory)
    bounds = StampBounds(reader)
    symbols = [row["symbol"] for row in reader.config["instruments"]]
    watch = _Watch(symbols, bounds)
    for batch in events_of(reader, starting_point(reader), until_block=bounds.blocks):
        if len(batch.commands):
            watch.observe(batch.commands, batch.events, batch.header.block_index)
    rows = [one.row() for one in watch.all if from_ns <= one.ts_ns < to_ns]
    return list(TABLE.checked(rows))


class _Watch:
    """Stops that last, by what and whom they are about."""

    def __init__(self, symbols: list[str], bounds: StampBounds) -> None:
        self.symbols, self.bounds = symbols, bounds
        self.all: list[_Stop] = []
        self.lasting: dict[tuple[str, str], _Stop] = {}

    def observe(
        self, commands: npt.NDArray[Any], events: npt.NDArray[Any], block_index: int
    ) -> None:
        """Commands of one block, with their events."""
        kinds = events["kind"]
        done = set(events["cause_seq"][kinds == EventKind.COMPLETED].tolist())
        first = int(commands["seq"][0])
        asked = commands[commands["kind"] == CommandKind.RISK]
        found = [(int(c["seq"]), c, None) for c in asked
                 if int(c["order_type"]) in SWITCHES and int(c["seq"]) in done]  # fmt: skip
        for event in events[kinds == EventKind.PHASE_CHANGED]:
            found.append((int(event["cause_seq"]), commands[event["cause_seq"] - first], event))
        for seq, command, event in sorted(found, key=lambda one: one[0]):
            ts_ns = int(command["rx_ts_ns"])
            bound = int(self.bounds.of(np.array([block_index]), np.array([ts_ns]))[0])
            if event is None:
                self._switch(command, seq, ts_ns, bound, events)
            else:
                self._phase(event, seq, ts_ns, bound, events)
        self._count_refused(events)

    def _switch(
        self, command: Any, seq: int, ts_ns: int, bound: int, events: npt.NDArray[Any]
    ) -> None:
        setting, value = int(command["order_type"]), int(command["aux"])
        what, about = SWITCHES[setting], "MARKET"
        if setting == Setting.HALT:
            about = bytes(command["symbol"]).decode() or "MARKET"
        elif setting in (Setting.KILL, Setting.GROUP_KILL):
            name = "participant" if setting == Setting.KILL else "group"
            about = f"{name} {int(command['qty_lots'])}"
        if value:
            operator = int(command["order_id"])
            cause = f"operator {operator}" if operator else ""
            if setting == Setting.EMERGENCY:
                cause = f"step {value}"
            self._begin(_Stop(what, about, cause, seq, ts_ns, bound), events)
        else:
            self._end(what, about, seq, ts_ns)

    def _phase(
        self, event: Any, seq: int, ts_ns: int, bound: int, events: npt.NDArray[Any]
    ) -> None:
        symbol = self.symbols[int(event["instrument"])]
        why = int(event["order_id"])
        if Phase(int(event["qty_lots"])) in STOPPED:
            known = {one.value: one.name for one in PauseCause}
            what = PAUSED if why in known else HALT_PHASE
            cause = known.get(why, Phase(int(event["qty_lots"])).name)
            self._begin(_Stop(what, symbol, cause, seq, ts_ns, bound), events)
        else:
            for what in (PAUSED, HALT_PHASE):
                self._end(what, symbol, seq, ts_ns)

    def _begin(self, stop: _Stop, events: npt.NDArray[Any]) -> None:
        key = stop.what, stop.about
        if key in self.lasting and stop.what != "EMERGENCY_CLOSE":
            return
        own = events[events["cause_seq"] == stop.seq]
        stop.cancelled = int(np.count_nonzero(own["kind"] == EventKind.CANCELLED))
        self.all.append(stop)
        self.lasting[key] = stop

    def _end(self, what: str, about: str, seq: int, ts_ns: int) -> None:
        stop = self.lasting.pop((what, about), None)
        if stop is not None:
            stop.until_seq, stop.until_ns = seq, ts_ns

    def _count_refused(self, events: npt.NDArray[Any]) -> None:
        if not self.lasting:
            return
        refused = events[events["kind"] == EventKind.REJECTED]
        reasons = (Reason.RISK, Reason.WRONG_PHASE)
        refused = refused[np.isin(refused["reason"], [int(r) for r in reasons])]
        for stop in self.lasting.values():
            mine = refused[refused["cause_seq"] > stop.seq]
            if stop.about in self.symbols:
                mine = mine[mine["instrument"] == self.symbols.index(stop.about)]
            elif stop.about.startswith("participant "):
                mine = mine[mine["participant"] == int(stop.about.split()[1])]
            elif stop.about != "MARKET":
                continue
            stop.refused += len(mine)
