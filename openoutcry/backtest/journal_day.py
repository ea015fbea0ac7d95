"""The commands of one instrument of a journal as the venue's core carried them out.

A journal has what participants asked.  The core around the matcher (risk, protections, speed bump)
refuses commands, delays them, cancels orders and pauses instruments.  A backtest runs the matcher
alone, so a day has what the core did: the journal is replayed through the venue's own core, and

| the core | the day has |
|---|---|
| refused a command | no command, but a NEW that uses up terms, refused by the gateway |
| delayed a command | the command, at the time at which it entered |
| took an order, or a part, that the matcher would have kept | a CANCEL or a REDUCE after it |
| changed the phase by itself | a PHASE command |
| traded two orders off the book | no command: no queue has changed |
| did anything else that the matcher alone would not | an error that names the command |
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.events import Point, events_of
from openoutcry.journal.reader import JournalReader
from openoutcry.journal.risk_hooks import delayed_commands
from openoutcry.matcher import Engine
from openoutcry.matcher.state.snapshot import State
from openoutcry.wire import enum_numbers as enums
from openoutcry.wire.enums import ErrorBit
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.records import ORDER_DTYPE
from openoutcry.wire.rule_changes import SET_APPLY

Records = npt.NDArray[Any]
COMPLETED = enums.EVENT_KIND_COMPLETED
REJECTED, DELAYED, ENTERED = (
    enums.EVENT_KIND_REJECTED,
    enums.EVENT_KIND_DELAYED,
    enums.EVENT_KIND_ENTERED,
)
NEW, TERMS = enums.COMMAND_KIND_NEW, enums.COMMAND_KIND_TERMS
REFUSED = 1 << ErrorBit.PARTICIPANT
"""``error_code`` of a NEW that the core has refused."""
PHASE_CHANGED = enums.EVENT_KIND_PHASE_CHANGED
OF_AN_ORDER = (
    enums.EVENT_KIND_ACCEPTED,
    enums.EVENT_KIND_FILLED,
    enums.EVENT_KIND_CANCELLED,
    enums.EVENT_KIND_REDUCED,
    enums.EVENT_KIND_REPLACED,
    enums.EVENT_KIND_EXPIRED,
)
"""Events whose ``leaves_lots`` is what the order has open."""


def begin_of(point: Point, index: int) -> State | None:
    """The state of the instrument at ``index`` where a journal begins; None at its first command.

    A journal whose first segments were retired begins at its oldest checkpoint."""
    if point.seq == 0:
        return None
    state = point.engine.state()
    rows = state.rows[state.rows["instrument"] == index].copy()
    rows["instrument"] = 0
    terms = state.terms[state.terms["instrument"] == index].copy()
    terms["instrument"] = 0
    one = slice(index, index + 1)
    numbers = state.now_ns, 0, 0, state.command_count
    return State(state.instruments[one], state.states[one], rows, *numbers, terms=terms)


def carried_out(
    reader: JournalReader, point: Point, index: int, matcher: Engine
) -> Iterator[Records]:
    """Yield the commands (ORDER_DTYPE) of the instrument at ``index`` of the journal's table, from
    ``point`` on, where ``matcher`` has the same book of it.  Both follow the commands.

    Raises :class:`BacktestError` for a journal whose core did what no commands to a matcher alone
    can repeat.
    """
    day = _Day(reader, point.engine, matcher, index)
    for batch in events_of(reader, from_seq=point.seq + 1):
        commands = batch.commands
        done = day.plain(commands) if point.engine.hooks is None else day.hooked(commands)
        if len(done):
            yield done


class _Day:
    """A core that replays the journal, and the matcher of a backtest beside it."""

    def __init__(self, reader: JournalReader, core: Engine, matcher: Engine, index: int) -> None:
        self.reader, self.core, self.matcher, self.index = reader, core, matcher, index
        self.symbol = matcher.instruments["symbol"][0]
        waiting = delayed_commands(core.hooks)
        self.delayed = {seq: one for seq, one in waiting.items() if self._is_ours(one).all()}
        self.done: list[Records] = []
        self.seq = 0
        self.now_ns = 0
        """The core's time: it does not go back, in whatever order the lanes were sequenced."""
        state = matcher.state()
        self.phase = int(state.states["phase"][0])
        lots = state.rows["qty_lots"] + state.rows["reserve_lots"]
        self.open_lots = dict(zip(state.rows["order_id"].tolist(), lots.tolist(), strict=True))
        """Of each open order of the matcher."""
        self.changed: dict[int, int] = {}
        """Those of them that this command has changed."""
        self.termed: set[int] = set(state.terms["order_id"].tolist())
        """Orders to come for which terms wait."""

    def _is_ours(self, commands: Records) -> Any:
        own = (commands["symbol"] == self.symbol) | (commands["symbol"] == b"")
        return own & (commands["kind"] != enums.COMMAND_KIND_RISK)

    def plain(self, commands: Records) -> Records:
        """Return the commands of a core without hooks, those that it refused left out."""
        if not len(commands):
            return commands
        events = self.core.process(commands)
        refused = events["cause_seq"][events["kind"] == REJECTED]
        times = np.maximum.accumulate(np.maximum(commands["rx_ts_ns"], self.now_ns))
        self.now_ns = int(times[-1])
        refused = np.isin(commands["seq"], refused)
        ours = self._is_ours(commands)
        used = self._used_terms(commands) & ours & refused
        kept = ours & (~refused | used)
        commands = commands.copy()
        commands["error_code"][used] = REFUSED
        done = commands[kept]
        done["rx_ts_ns"] = times[kept]
        return done

    def _used_terms(self, commands: Records) -> Any:
        """Return which of the commands are a NEW for which terms wait, and follow those."""
        kinds, ids = commands["kind"], commands["order_id"]
        self.termed |= set(ids[kinds == TERMS].tolist())
        if not self.termed:
            return np.zeros(len(commands), bool)
        used = (kinds == NEW) & np.isin(ids, list(self.termed))
        self.termed -= set(ids[used].tolist())
        return used

    def hooked(self, commands: Records) -> Records:
        """Return what the core did with these commands."""
        self.done = []
        ours = self._is_ours(commands)
        for at in range(len(commands)):
            command = commands[at : at + 1]
            events = self.core.process(command)
            self._require_same_rules(command, events)
            self.now_ns, self.changed = max(self.now_ns, int(command["rx_ts_ns"][0])), {}
            rest = self._entered(events)
            if ours[at]:
                if (rest["kind"] == DELAYED).any():
                    self.delayed[int(command["seq"][0])] = command.copy()
                else:
                    self._enter(command, (rest["kind"] == REJECTED).any())
            own = events[events["instrument"] == self.index]
            if len(own) or self.changed:
                self._repeat(own, int(command["seq"][0]))
        return np.concatenate(self.done) if self.done else commands[:0]

    def _require_same_rules(self, command: Records, events: Records) -> None:
        """Raise :class:`BacktestError` for a command that changes the rules of the instrument."""
        applied = command["kind"] == enums.COMMAND_KIND_RISK
        applied &= (command["order_type"] == SET_APPLY) & (command["symbol"] == self.symbol)
        if (applied & (command["aux"] != 0)).any() and (events["kind"] == COMPLETED).any():
            raise BacktestError(
                f"{self.reader.directory}: command {int(command['seq'][0])} changes the rules of "
                f"{self.symbol.decode()}: a day of a backtest has one set of rules"
            )

    def _entered(self, events: Records) -> Records:
        """Send the delayed commands that enter now; return the events behind theirs."""
        at = 0
        while at < len(events) and events["kind"][at] == ENTERED:
            end = at + 1 + int(events["qty_lots"][at])
            asked = self.delayed.pop(int(events["contra_id"][at]), None)
            if asked is not None:
                self._enter(asked, (events["kind"][at + 1 : end] == REJECTED).any())
            at = end
        return events[at:]

    def _enter(self, command: Records, is_refused: bool) -> None:
        """Send a command of the journal that enters now, or what is left of one that is refused."""
        used = self._used_terms(command).any()
        if not is_refused:
            self._send(command)
        elif used:
            command = command.copy()
            command["error_code"] = REFUSED
            self._send(command)

    def _send(self, command: Records) -> None:
        """Give the matcher of a backtest the command now."""
        self.seq += 1
        command = command.copy()
        command["rx_ts_ns"], command["seq"] = self.now_ns, self.seq
        self.done.append(command)
        answer = self.matcher.process(command)
        self.changed |= (made := _open_after(answer))
        self.open_lots |= made
        phases = answer["qty_lots"][answer["kind"] == PHASE_CHANGED]
        self.phase = int(phases[-1]) if len(phases) else self.phase

    def _repeat(self, events: Records, seq: int) -> None:
        """Do with the matcher what the core did by itself: the ``events`` of command ``seq``."""
        for event in events[events["kind"] == PHASE_CHANGED][-1:]:
            if int(event["qty_lots"]) != self.phase:
                self._send(self._command(enums.COMMAND_KIND_PHASE, aux=int(event["qty_lots"])))
        wanted = _open_after(events)
        for order_id in wanted.keys() | self.changed.keys():
            open_lots = self.open_lots.get(order_id, 0)
            leaves_lots = wanted.get(order_id, -1)
            if not 0 <= leaves_lots <= open_lots:
                has = leaves_lots if order_id in wanted else "as many as before"
                raise BacktestError(
                    f"{self.reader.directory}: command {seq} cannot be in a day: the venue's order "
                    f"{order_id} has {has} lots open after it, the matcher's alone {open_lots}"
                )
            if leaves_lots < open_lots:
                owner = int(events["participant"][events["order_id"] == order_id][-1])
                self._send(
                    self._command(
                        enums.COMMAND_KIND_REDUCE if leaves_lots else enums.COMMAND_KIND_CANCEL,
                        participant=owner,
                        order_id=order_id,
                        qty_lots=open_lots - leaves_lots,
                    )
                )
        for order_id in [one for one in self.changed if not self.open_lots[one]]:
            del self.open_lots[order_id]

    def _command(self, kind: int, **fields: int) -> Records:
        """Return a command of the core itself."""
        command = np.zeros(1, ORDER_DTYPE)
        command["kind"], command["symbol"] = kind, self.symbol
        for name, value in fields.items():
            command[name] = value
        return command


def _open_after(events: Records) -> dict[int, int]:
    """Lots open after the events, of each order that they change."""
    rows = events[np.isin(events["kind"], OF_AN_ORDER)]
    return dict(zip(rows["order_id"].tolist(), rows["leaves_lots"].tolist(), strict=True))
