"""History of kills, halts, liquidations and resumptions of a venue, from its journal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block, BlockId
from openoutcry.journal.events import Point, events_of, oldest_point
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import (
    CONTRACT_SETTINGS,
    PLEDGE_SETTINGS,
    RISK_KIND,
    STAGEABLE,
    Setting,
)
from openoutcry.risk.contract_layout import STAGED
from openoutcry.risk.instrument_state import WITH_PRICE
from openoutcry.risk.joined import view_of
from openoutcry.risk.own_limits import OWNERS
from openoutcry.risk.region import View
from openoutcry.risk.requests import LEG
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.instruments_desk import words
from openoutcry.venue.operations import STEPS
from openoutcry.venue.operators import operator_name
from openoutcry.venue.risk_tables import RiskSpec, name_number
from openoutcry.wire.enums import CommandKind, EventKind, Side
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.rule_changes import FIELDS, FIRST_BAND
from openoutcry.wire.symbols import names_by_code, symbol_text

SWITCHES = (
    Setting.KILL,
    Setting.GROUP_KILL,
    Setting.HALT,
    Setting.MARKET_KILL,
    Setting.EMERGENCY,
)
BY_THE_CORE = {
    lay.KILLED_BY_LOSS: "killed by its losses",
    lay.KILLED_BY_ARITHMETIC: "killed by a figure beyond 2**62",
    lay.KILLED_BY_MARGIN: "under its maintenance margin: killed, and liquidated",
}


class _Watch:
    """Participants that the core kills by itself.  Between two RISK commands it kills each at most
    once for each reason, since only a RISK command lets a participant trade again."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.kills: list[tuple[int, int, int]] = []
        """Sequence of the command, participant, reason."""
        self.flags, self.called = self._words()

    def _words(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Each participant's flags, and the sequence of its last margin call."""
        if self.point.engine.hooks is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows = view_of([self.point.engine.region]).participants
        return rows[:, lay.FLAGS // 8].copy(), rows[:, lay.CALLED_SEQ // 8].copy()

    def poll(self) -> None:
        (was, called), (self.flags, self.called) = (self.flags, self.called), self._words()
        for why in BY_THE_CORE:
            new = self.flags & ~was & why
            if why == lay.KILLED_BY_MARGIN:
                # The command that lets trade again may call at once.
                new = self.called != called
            for who in np.flatnonzero(new).tolist():
                view = view_of([self.point.engine.region])
                word = lay.CALLED_SEQ if why == lay.KILLED_BY_MARGIN else lay.KILLED_SEQ
                self.kills.append((view.of(who, word), who, why))


class _Parts:
    """The orders that LIQUIDATE commands have announced."""

    def __init__(self, point: Point) -> None:
        has_risk = point.engine.hooks is not None
        self.count = View(point.engine.region).word(lay.PARTS) if has_risk else 0
        self.announced: tuple[int, ...] = ()

    def announce(self, command: Any) -> None:
        self.count += 1
        self.announced = (
            int(command["qty_lots"]),
            int(command["aux"]),
            int(command["price_ticks"]),
        )

    def is_announced(self, order: Any) -> bool:
        """Return whether this NEW is the part that was announced last; there is one of each."""
        sign = 1 if order["side"] == Side.BUY else -1
        fields = (int(order["participant"]), sign * int(order["qty_lots"]))
        same = (*fields, int(order["price_ticks"])) == self.announced
        if not same or int(order["order_id"]) != lay.PART_IDS + self.count:
            return False
        self.announced = ()
        return True


class _Pieces(Point):
    """A point that is checked after each RISK command."""

    watch: _Watch

    def feed(self, commands: npt.NDArray[Any], block: Block, name: BlockId) -> npt.NDArray[Any]:
        ends = (np.flatnonzero(commands["kind"] == RISK_KIND) + 1).tolist()
        events = []
        for first, end in zip([0, *ends], [*ends, len(commands)], strict=True):
            if end > first:
                events.append(super().feed(commands[first:end], block, name))
                self.watch.poll()
        return np.concatenate(events)


def switch_history(journal: Path, spec: RiskSpec) -> list[dict[str, Any]]:
    """Each row has ``seq``, ``at``, ``what`` (participant 7, group alpha, GOLD, the market),
    ``did`` and ``operator`` (empty, if no operator was named).  Refused commands are left out.
    Actions of the core itself are included, and so is each part of a liquidation and each command
    about a contract."""
    rows: list[dict[str, Any]] = []
    numbers = {name_number(name): name for name in spec.groups}
    groups: dict[int, str] = {}
    symbols = names_by_code(spec.symbols)
    reader = JournalReader(journal)
    point = _watched(oldest_point(reader))
    staged: list[dict[str, Any]] = []
    rules: list[str] = []
    parts = _Parts(point)
    for batch in events_of(reader, point):
        commands, events = np.array(batch.commands), np.array(batch.events)
        # Not those of a participant's mass cancel that enters when its time at a speed bump comes.
        answers = (events["kind"] == EventKind.COMPLETED) & (events["participant"] == 0)
        done = set(events["cause_seq"][answers].tolist())
        batch_rows = []
        chosen = (commands["kind"] == RISK_KIND) | (commands["order_id"] > lay.PART_IDS)
        for command in commands[chosen]:
            if command["kind"] == CommandKind.NEW and parts.is_announced(command):
                batch_rows.append(_part(command, events, symbols))
            if int(command["seq"]) not in done or command["kind"] != RISK_KIND:
                continue
            what, value = Setting(int(command["order_type"])), int(command["aux"])
            if what is Setting.GROUP_NAME:
                groups[int(command["qty_lots"])] = numbers.get(value, "")
            if what is Setting.LIQUIDATE:
                parts.announce(command)
            if what in SWITCHES:
                batch_rows.append(_row(command, what, value, groups, spec))
            if what is Setting.BUST and command["side"] != LEG:
                batch_rows.append(_of_bust(command, symbols, spec))
            if what is Setting.INSTRUMENT_STATE:
                batch_rows.append(_of_state(command, symbols, spec))
            if what is Setting.INSTRUMENT_RULE:
                rules.append(_of_rule(command))
            if what is Setting.INSTRUMENT_APPLY:
                if value:
                    batch_rows.append(_of_rules(command, rules, symbols, spec))
                rules = []
            if what is Setting.CONTRACT_APPLY:
                batch_rows += staged if value else []
                staged = []
                continue
            about = what in (*CONTRACT_SETTINGS, *PLEDGE_SETTINGS, Setting.COLLATERAL_PRICE)
            if about or (what is Setting.MARGIN_APPLY and value):
                row = _of_contract(command, what, symbols, spec)
                is_staged = what in STAGEABLE and command["time_in_force"] == STAGED
                (staged if is_staged else batch_rows).append(row)
        first = int(commands["seq"][0]) if len(commands) else 0
        for seq, who, why in point.watch.kills:
            batch_rows.append(_entry(commands[seq - first], f"participant {who}", BY_THE_CORE[why]))
        point.watch.kills.clear()
        rows += sorted(batch_rows, key=lambda row: row["seq"])
    return rows


def _watched(point: Point) -> _Pieces:
    pieces = _Pieces(**{name: getattr(point, name) for name in point.__dataclass_fields__})
    pieces.watch = _Watch(pieces)
    return pieces


def _part(order: Any, events: npt.NDArray[Any], names: Mapping[bytes, str]) -> dict[str, Any]:
    own = events[(events["cause_seq"] == order["seq"]) & (events["order_id"] == order["order_id"])]
    traded = int(own["qty_lots"][own["kind"] == EventKind.FILLED].sum())
    verb = "buys" if order["side"] == Side.BUY else "sells"
    symbol = symbol_text(order["symbol"], names)
    lots, price = int(order["qty_lots"]), int(order["price_ticks"])
    did = f"liquidation: {verb} {lots} {symbol} at {price} or better"
    refused = "refused" if (own["kind"] == EventKind.REJECTED).any() else f"{traded} traded"
    return _entry(order, f"participant {int(order['participant'])}", f"{did}: {refused}")


def _of_state(command: Any, names: Mapping[bytes, str], spec: RiskSpec) -> dict[str, Any]:
    """An instrument has entered another state."""
    did = words(InstrumentState(int(command["aux"])))
    if int(command["qty_lots"]) & WITH_PRICE:
        did += f", its positions settled at {int(command['price_ticks'])}"
    operator = operator_name(spec.operators, int(command["order_id"]))
    return _entry(command, symbol_text(command["symbol"], names), did, operator)


def _of_rule(command: Any) -> str:
    """A rule of an instrument that is staged."""
    number, value = int(command["qty_lots"]), int(command["aux"])
    if number < FIRST_BAND:
        return f"{FIELDS[number]} {value}"
    step = int(command["price_ticks"])
    band = f"tick_table band {number - FIRST_BAND + 1}"
    return f"{band} {step} from {value} on" if step else f"{band} gone"


def _of_rules(
    command: Any, rules: list[str], names: Mapping[bytes, str], spec: RiskSpec
) -> dict[str, Any]:
    """An instrument has other rules."""
    operator = operator_name(spec.operators, int(command["order_id"]))
    return _entry(command, symbol_text(command["symbol"], names), ", ".join(rules), operator)


def _of_contract(
    command: Any, what: Setting, names: Mapping[bytes, str], spec: RiskSpec
) -> dict[str, Any]:
    """A command about a contract, or about what comes after a liquidation."""
    who, value, second = (int(command[name]) for name in ("qty_lots", "aux", "price_ticks"))
    symbol = symbol_text(command["symbol"], names)
    operator, money = (
        operator_name(spec.operators, int(command["order_id"])),
        spec.money.margin_text,
    )
    if what is Setting.COVER:
        did = f"the insurance fund pays {money(value)}"
        return _entry(command, f"participant {who}", did, operator)
    if what is Setting.LIQUIDATION_FEE:
        did = f"pays the insurance fund {money(value)} for its liquidation"
        return _entry(command, f"participant {who}", did, operator)
    if what is Setting.DELEVERAGE:
        other, who = divmod(who, 1 << 16)
        did = f"participant {other} takes over {value} {symbol} and pays {money(second)}"
        return _entry(command, f"participant {who}", did, operator)
    asset = _asset(int(command["time_in_force"]), spec)
    if what is Setting.PLEDGE:
        did = f"{'pledges' if value > 0 else 'takes back'} {money(abs(value), asset)}"
        return _entry(command, f"participant {who}", did, operator)
    if what is Setting.SEIZE:
        did = f"the insurance fund takes over {money(second, asset)} for {money(value)}"
        return _entry(command, f"participant {who}", did, operator)
    if what is Setting.COLLATERAL_PRICE:
        did = f"{money(second, _collateral(who, spec))} are worth {money(value)} as collateral"
        return _entry(command, "the market", did, operator)
    if what is Setting.MARGIN_APPLY:
        return _entry(command, "the market", f"{value} commands change scenario margin", operator)
    did = {
        Setting.CONTRACT_MARK: f"marked at {value}",
        Setting.CONTRACT_SETTLE: f"settlement price of {second}: {value}",
        Setting.CONTRACT_FUNDING: f"period {second} funded at {value} billionths",
        Setting.CONTRACT_EXPIRE: f"settled finally at {value}",
        Setting.CONTRACT_LIST: f"listed at {value}",
        Setting.CONTRACT_ADJUST: f"adjusted: {value >> 32} new units of its underlying for "
        f"{value & 0xFFFFFFFF} old ones",
        Setting.CONTRACT_PAUSE: "paused: its index has too few sources" if value else "resumed",
    }[what]
    return _entry(command, symbol, did, operator)


def _of_bust(command: Any, symbols: Mapping[bytes, str], spec: RiskSpec) -> dict[str, Any]:
    """A trade that was taken back."""
    operator = operator_name(spec.operators, int(command["order_id"]))
    did = f"trade {int(command['qty_lots'])} taken back"
    return _entry(command, symbol_text(command["symbol"], symbols), did, operator)


def _asset(number: int, spec: RiskSpec) -> str:
    """The name of an asset that may be pledged."""
    names = {place: name for name, place in spec.collateral.items()}
    return names.get(number, f"asset {number}")


def _collateral(number: int, spec: RiskSpec) -> str:
    """The name of an asset that counts as collateral, by its place among them."""
    names = list(spec.collateral)
    return names[number] if number < len(names) else f"collateral {number}"


def _row(
    command: Any, what: Setting, value: int, groups: dict[int, str], spec: RiskSpec
) -> dict[str, Any]:
    who, operator = int(command["qty_lots"]), int(command["order_id"])
    shown = {
        Setting.KILL: f"participant {who}",
        Setting.GROUP_KILL: f"group {groups.get(who) or who}",
        Setting.HALT: symbol_text(command["symbol"], names_by_code(spec.symbols)),
    }.get(what, "the market")
    did = "halted" if what is Setting.HALT else "killed"
    if what is Setting.EMERGENCY:
        did = f"emergency close: step {value} of {len(STEPS)}: {STEPS[value - 1]}"
    elif not value:
        did = "requested to be opened" if what is Setting.MARKET_KILL else "may trade again"
    by_owner = what is Setting.KILL and command["time_in_force"] == OWNERS
    name = "its owner" if by_owner else operator_name(spec.operators, operator)
    return _entry(command, shown, did, name)


def _entry(command: Any, what: str, did: str, operator: str = "") -> dict[str, Any]:
    return {
        "seq": int(command["seq"]),
        "at": utc_text(int(command["rx_ts_ns"])),
        "what": what,
        "did": did,
        "operator": operator,
    }
