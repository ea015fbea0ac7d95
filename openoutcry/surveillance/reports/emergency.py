"""Emergency notification: what stopped a market, since when, for which participants, and what
became of its orders.

For the venue's notice to its authority about disorderly trading, suspensions and circuit breakers
(Directive 2014/65/EU, Articles 31(2), 48(5) and 54(2)).  The journal alone gives halts, kills,
emergency closes and the core's own pauses, each with the command that ended it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.projections import JournalReader, PauseCause, Setting
from openoutcry.journal.tables import StampBounds
from openoutcry.surveillance.reports import schema
from openoutcry.surveillance.reports.schema import Field, Row, Table, alphanumeric, one_of
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason
from openoutcry.wire.records import MAX_VALUE
from openoutcry.wire.symbols import names_by_code, symbol_text, symbols_of

SWITCHES: dict[int, str] = {
    Setting.KILL: "PARTICIPANT_KILLED",
    Setting.GROUP_KILL: "GROUP_KILLED",
    Setting.HALT: "INSTRUMENT_HALTED",
    Setting.MARKET_KILL: "MARKET_KILLED",
    Setting.EMERGENCY: "EMERGENCY_CLOSE",
}
EMERGENCY = SWITCHES[Setting.EMERGENCY]
PAUSED, HALT_PHASE = "PAUSED_BY_PROTECTION", "PHASE_HALT"
STOPPED = (Phase.HALT, Phase.VOLATILITY_AUCTION)
TABLE = Table(
    "emergency notification",
    "Directive 2014/65/EU, Articles 31(2), 48(5), 54(2)",
    (
        Field(1, "what", one_of(*SWITCHES.values(), PAUSED, HALT_PHASE)),
        Field(2, "about", alphanumeric(40)),
        Field(3, "cause", alphanumeric(60), True),
        Field(4, "from_seq", schema.WHOLE),
        Field(5, "from_time", schema.TIME),
        Field(6, "bound_ns", schema.WHOLE, True),
        Field(7, "until_seq", schema.WHOLE, True),
        Field(8, "until_time", schema.TIME, True),
        Field(9, "duration_s", r"\d{1,12}\.\d{6}", True),
        Field(10, "orders_cancelled", schema.WHOLE),
        Field(11, "orders_refused", schema.WHOLE),
    ),
)


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
            "what": self.what,
            "about": self.about,
            "cause": self.cause,
            "from_seq": str(self.seq),
            "from_time": schema.time_text(self.ts_ns),
            "bound_ns": "" if self.bound_ns == MAX_VALUE else str(self.bound_ns),
            "until_seq": str(self.until_seq) if over else "",
            "until_time": schema.time_text(self.until_ns) if over else "",
            "duration_s": f"{took_us // 10**6}.{took_us % 10**6:06d}" if over else "",
            "orders_cancelled": str(self.cancelled),
            "orders_refused": str(self.refused),
        }


def stops(directory: Path, from_ns: int = -(2**63), to_ns: int = 2**63 - 1) -> list[Row]:
    """Return the stops that began from ``from_ns`` on and before ``to_ns`` (ingress, ns since the
    epoch), in order.

    What is not over has no end.  Orders that the command itself or, while it lasted, the operator
    cancelled are ``orders_cancelled``.  Those that risk or the phase rejected meanwhile are
    ``orders_refused``.  Both are of the instrument, participant or group concerned."""
    reader = JournalReader(directory)
    bounds = StampBounds(reader)
    watch = _Watch(reader.config, bounds)
    for batch in events_of(reader, oldest_point(reader), until_block=bounds.blocks):
        if len(batch.commands):
            watch.observe(batch.commands, batch.events, batch.header.block_index)
    rows = [stop.row() for stop in watch.all if from_ns <= stop.ts_ns < to_ns]
    return list(TABLE.checked(rows))


class _Watch:
    """Stops that last, by instrument, participant or market."""

    def __init__(self, config: Mapping[str, Any], bounds: StampBounds) -> None:
        self.symbols, self.bounds = symbols_of(config), bounds
        self.all: list[_Stop] = []
        self.lasting: dict[tuple[str, str], _Stop] = {}
        self.first_operator = 0
        """Operator that first requested the market's opening; it opens when another one
        asks, too."""
        limits = (config.get("hooks") or {}).get("limits", ())
        self.group_of = {
            int(row.get("who", 0)): int(row["value"]) for row in limits if row["set"] == "GROUP"
        }

    def observe(
        self, commands: npt.NDArray[Any], events: npt.NDArray[Any], block_index: int
    ) -> None:
        """Commands of one block, with their events."""
        kinds = events["kind"]
        done = set(events["cause_seq"][kinds == EventKind.COMPLETED].tolist())
        first = int(commands["seq"][0])
        risk_commands = commands[commands["kind"] == CommandKind.RISK]
        changes = [
            (int(c["seq"]), c, None)
            for c in risk_commands
            if int(c["order_type"]) in (*SWITCHES, Setting.GROUP) and int(c["seq"]) in done
        ]
        for event in events[kinds == EventKind.PHASE_CHANGED]:
            changes.append((int(event["cause_seq"]), commands[event["cause_seq"] - first], event))
        touched, begun = [*self.lasting.values()], len(self.all)
        for seq, command, event in sorted(changes, key=lambda change: change[0]):
            ts_ns = int(command["rx_ts_ns"])
            bound = int(self.bounds.of(np.array([block_index]), np.array([ts_ns]))[0])
            if event is None:
                self._switch(command, seq, ts_ns, bound, events)
            else:
                self._phase(event, seq, ts_ns, bound, events)
        for stop in (*touched, *self.all[begun:]):
            self._count(stop, commands, events)

    def _switch(
        self, command: Any, seq: int, ts_ns: int, bound: int, events: npt.NDArray[Any]
    ) -> None:
        setting, value = int(command["order_type"]), int(command["aux"])
        if setting == Setting.GROUP:
            self.group_of[int(command["qty_lots"])] = value
            return
        what, about = SWITCHES[setting], "MARKET"
        if setting == Setting.HALT:
            about = symbol_text(command["symbol"], names_by_code(self.symbols)) or "MARKET"
        elif setting in (Setting.KILL, Setting.GROUP_KILL):
            name = "participant" if setting == Setting.KILL else "group"
            about = f"{name} {int(command['qty_lots'])}"
        if value:
            operator = int(command["order_id"])
            cause = f"operator {operator}" if operator else ""
            if setting == Setting.EMERGENCY:
                cause = f"step {value}"
            self._begin(_Stop(what, about, cause, seq, ts_ns, bound), events)
            if setting == Setting.MARKET_KILL:
                self.first_operator = 0
        elif setting == Setting.MARKET_KILL:
            self._open(int(command["order_id"]), seq, ts_ns)
        else:
            self._end(what, about, seq, ts_ns)

    def _open(self, operator: int, seq: int, ts_ns: int) -> None:
        """The first of two operators asks for it, or the second: the market is open again."""
        if self.first_operator == 0:
            self.first_operator = operator
            return
        self.first_operator = 0
        for what, about in [*self.lasting]:
            if what.split()[0] in (SWITCHES[Setting.MARKET_KILL], EMERGENCY):
                self._end(what, about, seq, ts_ns)

    def _phase(
        self, event: Any, seq: int, ts_ns: int, bound: int, events: npt.NDArray[Any]
    ) -> None:
        symbol = self.symbols[int(event["instrument"])]
        why = int(event["order_id"])
        if Phase(int(event["qty_lots"])) in STOPPED:
            known = {pause.value: pause.name for pause in PauseCause}
            what = PAUSED if why in known else HALT_PHASE
            cause = known.get(why, Phase(int(event["qty_lots"])).name)
            self._begin(_Stop(what, symbol, cause, seq, ts_ns, bound), events)
        else:
            for what in (PAUSED, HALT_PHASE):
                self._end(what, symbol, seq, ts_ns)

    def _begin(self, stop: _Stop, events: npt.NDArray[Any]) -> None:
        key = stop.what, stop.about
        if stop.what == EMERGENCY:
            key = f"{stop.what} {stop.cause}", stop.about
        if key in self.lasting:
            return
        own = events[events["cause_seq"] == stop.seq]
        stop.cancelled = int(np.count_nonzero(own["kind"] == EventKind.CANCELLED))
        self.all.append(stop)
        self.lasting[key] = stop

    def _end(self, what: str, about: str, seq: int, ts_ns: int) -> None:
        stop = self.lasting.pop((what, about), None)
        if stop is not None:
            stop.until_seq, stop.until_ns = seq, ts_ns

    def _count(self, stop: _Stop, commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> None:
        """Count what was refused, and cancelled by the operator, while the stop lasted."""
        mine = events[events["cause_seq"] > stop.seq]
        if stop.until_seq:
            mine = mine[mine["cause_seq"] < stop.until_seq]
        kind, _, number = stop.about.partition(" ")
        if stop.about in self.symbols:
            mine = mine[mine["instrument"] == self.symbols.index(stop.about)]
        elif kind == "participant":
            mine = mine[mine["participant"] == int(number)]
        elif kind == "group":
            groups = [self.group_of.get(who, 0) for who in mine["participant"].tolist()]
            mine = mine[np.array(groups, np.int64) == int(number)]
        refused = np.isin(
            mine["reason"], [enum_numbers.REASON_RISK, enum_numbers.REASON_WRONG_PHASE]
        )
        stop.refused += int(np.count_nonzero(refused & (mine["kind"] == EventKind.REJECTED)))
        for_all = (commands["kind"] == CommandKind.MASS_CANCEL) & (commands["aux"] == 1)
        taken = np.isin(mine["cause_seq"], commands["seq"][for_all])
        if kind in ("participant", "group"):
            # The orders of a participant that is switched off end as those of a lost session do.
            taken |= mine["reason"] == Reason.DISCONNECTED
        stop.cancelled += int(np.count_nonzero(taken & (mine["kind"] == EventKind.CANCELLED)))
