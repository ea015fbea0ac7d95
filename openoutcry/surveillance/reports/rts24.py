"""Order records of RTS 24: Delegated Regulation (EU) 2017/580, Annex, Table 2, a row an event.

From the audit trail and the codes of reference_data.py.  What no message of the venue says (client,
decision maker, routing) is taken from the codes, or left empty where the regulation lets it be.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from openoutcry.surveillance.audit.trail import Trail, operators_cancels
from openoutcry.surveillance.reports import schema
from openoutcry.surveillance.reports.reference_data import Codes
from openoutcry.surveillance.reports.schema import Field, Row, Table, alphanumeric, one_of
from openoutcry.wire import order_types, words
from openoutcry.wire.order_types import Home

EVENTS = (
    "NEWO",
    "TRIG",
    "REME",
    "REMA",
    "REMH",
    "CHME",
    "CHMO",
    "CAME",
    "CAMO",
    "REMO",
    "EXPI",
    "PARF",
    "FILL",
)
VALIDITY = {tif.name: word for tif, word in words.TIMES.column("RTS 24").items()}
SIDES = {side.name: word for side, word in words.SIDES.column("RTS 24").items()}
"""A malformed order that was rejected may have neither: it is a sale, and for the day."""
BY_THE_MEMBER = ("USER", "REDUCED_TO_ZERO")
CHANGES = {
    "TRIGGER": "TRIG",
    "REPLACE": "REME",
    "REPEG": "REMA",
    "CONVERT": "REMA",
    "TRIGGER_MOVE": "REMA",
    "REFRESH": "CHMO",
    "EXPIRE": "EXPI",
    "NEW": "NEWO",
    "REJECT": "REMO",
}
STOPS, TRAILING, UNPRICED, PEGS = (
    tuple(order_type.name for order_type in types)
    for types in (order_types.STOPS, order_types.TRAILING, order_types.UNPRICED, order_types.PEGS)
)
HIDDEN = tuple(
    order_type.name
    for home in (Home.HIDDEN, Home.ALL_OR_NONE)
    for order_type in order_types.types_at_home(home)
)
PERSON, TEXT = alphanumeric(35), alphanumeric(50)
TABLE = Table(
    "RTS 24 order records",
    "Delegated Regulation (EU) 2017/580, Annex, Table 2",
    (
        Field(1, "submitting_entity", schema.LEI),
        Field(2, "direct_electronic_access", schema.BOOLEAN),
        Field(3, "client", PERSON, True),
        Field(4, "investment_decision", PERSON, True),
        Field(5, "execution_decision", PERSON, True),
        Field(6, "non_executing_broker", schema.LEI, True),
        Field(7, "trading_capacity", one_of("DEAL", "MTCH", "AOTC")),
        Field(8, "liquidity_provision", schema.BOOLEAN),
        Field(9, "date_and_time", schema.TIME),
        Field(
            10,
            "validity_period",
            one_of("DAVY", "GTCV", "GTTV", "GTDV", "GTSV", "GATV", "GADV", "GASV", "IOCV", "FOKV"),
        ),
        Field(11, "order_restriction", one_of("SESR", "VFAR"), True),
        Field(12, "validity_until", schema.TIME, True),
        Field(13, "priority_time", schema.TIME),
        Field(14, "priority_size", schema.DECIMAL, True),
        Field(15, "sequence_number", schema.WHOLE),
        Field(16, "segment_mic", schema.MIC),
        Field(17, "order_book_code", alphanumeric(20)),
        Field(18, "instrument", schema.ISIN),
        Field(19, "date_of_receipt", schema.DATE),
        Field(20, "order_identification", TEXT),
        Field(21, "event", one_of(*EVENTS)),
        Field(22, "order_type", TEXT),
        Field(23, "order_type_classification", one_of("LMTO", "STOP")),
        Field(24, "limit_price", schema.DECIMAL, True),
        Field(25, "additional_limit_price", schema.DECIMAL, True),
        Field(26, "stop_price", schema.DECIMAL, True),
        Field(27, "pegged_limit_price", schema.DECIMAL, True),
        Field(28, "transaction_price", schema.DECIMAL, True),
        Field(29, "price_currency", schema.CURRENCY),
        Field(30, "leg_2_currency", schema.CURRENCY, True),
        Field(31, "price_notation", one_of("MONE", "PERC", "YIEL", "BAPO")),
        Field(32, "buy_sell", one_of(*SIDES.values())),
        Field(33, "order_status", one_of("ACTI", "INAC", "FIRM", "IMPL", "INDI", "ROUT"), True),
        Field(34, "quantity_notation", one_of("UNIT", "NOML", "MONE")),
        Field(35, "quantity_currency", schema.CURRENCY, True),
        Field(36, "initial_quantity", schema.DECIMAL),
        Field(37, "remaining_quantity", schema.DECIMAL),
        Field(38, "displayed_quantity", schema.DECIMAL, True),
        Field(39, "traded_quantity", schema.DECIMAL, True),
        Field(40, "minimum_acceptable_quantity", schema.DECIMAL, True),
        Field(41, "minimum_executable_size", schema.DECIMAL, True),
        Field(42, "mes_first_execution_only", schema.BOOLEAN, True),
        Field(43, "passive_only", schema.BOOLEAN),
        Field(44, "passive_or_aggressive", one_of("PASV", "AGRE"), True),
        Field(45, "self_execution_prevention", schema.BOOLEAN),
        Field(46, "strategy_order", TEXT, True),
        Field(47, "routing_strategy", alphanumeric(4), True),
        Field(48, "transaction", alphanumeric(52), True),
        Field(49, "trading_phase", TEXT),
        Field(50, "indicative_price", schema.DECIMAL, True),
        Field(51, "indicative_volume", schema.DECIMAL, True),
    ),
)
DECIMALS = [field for field in TABLE.fields if field.pattern == schema.DECIMAL]
WANTED = (*CHANGES, "TRADE", "CANCEL", "REDUCE")


@dataclass
class _Order:
    """State of an order after its rows so far."""

    limit: int
    initial: int
    leaves: int
    priority_ns: int
    received_ns: int
    aux: int
    display: int | None
    """Lots of an iceberg's next slice."""
    shown: int | None
    """Open lots of an iceberg's present slice."""
    active: bool


NO_INSTRUMENT, TOO_LARGE = "of no instrument of the venue", "with a figure of more than 18 digits"
"""Why an event of an order cannot be reported."""


def records(
    trail: Trail, day: str, codes: Codes, left_out: Counter[str] | None = None
) -> Iterator[Row]:
    """The day's records in the sequence's order; ``left_out`` counts events that no record can be
    made of, by the reason.  Raises :class:`AuditError` for a day that is not in the trail,
    and for a code that is not in the file."""
    left_out = Counter() if left_out is None else left_out
    return TABLE.checked(_Records(trail, codes, left_out).of(trail.day(day)))


class _Records:
    """One pass over a day."""

    def __init__(self, trail: Trail, codes: Codes, left_out: Counter[str]) -> None:
        self.trail, self.codes, self.left_out = trail, codes, left_out
        self.orders: dict[int, _Order] = {}
        self.phases: dict[str, str] = {}
        self.indicative: dict[str, tuple[int, int]] = {}
        self.of_operator: set[int] = set()

    def of(self, tables: Iterable[Any]) -> Iterator[Row]:
        for table in tables:
            self.of_operator = operators_cancels(table)
            for batch in table.to_batches(max_chunksize=1 << 14):
                for row in batch.to_pylist():
                    record = self._row(row)
                    if record is not None:
                        yield record

    def _row(self, row: dict[str, Any]) -> Row | None:
        action = row["action"]
        if action in ("PHASE", "INDICATIVE"):
            self._market(row)
        if action not in WANTED or not row["entry_seq"] or not row["side"]:
            return None
        if action == "REJECT" and row["command"] not in ("NEW", "REPLACE"):
            return None
        if not row["symbol"]:
            self.left_out[NO_INSTRUMENT] += 1
            return None
        order = self._order(row)
        self._follow(order, row)
        record = self._record(order, row)
        if not all(field.fits(record[field.name]) for field in DECIMALS):
            self.left_out[TOO_LARGE] += 1
            return None
        return record

    def _market(self, row: dict[str, Any]) -> None:
        """Phases by name, and what a call would come to."""
        from openoutcry.wire.enums import Phase

        symbol = row["symbol"]
        if row["action"] == "PHASE":
            self.phases[symbol] = Phase(row["qty_lots"]).name
            self.indicative.pop(symbol, None)
        else:
            self.indicative[symbol] = row["price_ticks"], row["qty_lots"]

    def _phase(self, symbol: str, seq: int) -> str:
        """Return an instrument's phase; if it did not change today, the last one before, else
        continuous."""
        from openoutcry.wire.enums import Phase

        if symbol not in self.phases:
            known = sorted({*self.codes.instruments, symbol})
            earlier = self.trail.symbols or known
            table = self.trail.symbol(symbol, ["PHASE"], instruments=earlier)
            rows = [row for row in table.to_pylist() if row["seq"] < seq]
            self.phases[symbol] = Phase(rows[-1]["qty_lots"]).name if rows else "CONTINUOUS"
        return self.phases[symbol]

    def _order(self, row: dict[str, Any]) -> _Order:
        """Return an order; for one from an earlier day, as of its last row."""
        entry = row["entry_seq"]
        if entry not in self.orders:
            if row["action"] in ("NEW", "REJECT") and row["command_seq"] == entry:
                self.orders[entry] = _Order(
                    row["price_ticks"],
                    row["qty_lots"],
                    row["qty_lots"],
                    row["ts_ns"],
                    row["ts_ns"],
                    row["aux"] or 0,
                    row["display_lots"],
                    row["display_lots"],
                    not row["waiting"],
                )
            else:
                life = self.trail.order(row["order_id"], row["symbol"]).to_pylist()
                mine = (r for r in life if r["entry_seq"] == entry)
                first, *rest = (r for r in mine if r["event_seq"] < row["event_seq"])
                order = self._order(first)
                for later in rest:
                    self._follow(order, later)
        return self.orders[entry]

    def _follow(self, order: _Order, row: dict[str, Any]) -> None:
        action, leaves = row["action"], row["leaves_lots"]
        placed = action in ("REPLACE", "REPEG", "CONVERT", "REFRESH", "TRIGGER")
        lost_place = placed and not row["kept_place"]
        if action != "REJECT":
            order.leaves = leaves
            if row["display_lots"] is not None:
                order.display = row["display_lots"]
            if action == "TRADE" and row["maker"] and order.shown is not None:
                order.shown = max(0, order.shown - row["qty_lots"])
            elif lost_place or action == "TRADE":
                # As a taker and in an auction the whole quantity trades; then a slice is shown.
                order.shown = order.display
        if action in ("REPLACE", "REPEG", "CONVERT"):
            order.limit = row["price_ticks"]
        if action == "REPLACE":
            order.initial = row["qty_lots"]
        if lost_place:
            order.priority_ns = row["ts_ns"]
        if action in ("TRIGGER", "CONVERT", "TRADE"):
            order.active = True
        if action == "REPEG":
            order.active = not row["waiting"]

    def _record(self, order: _Order, row: dict[str, Any]) -> Row:
        codes = self.codes
        record = schema.blank(TABLE.names)
        symbol, kind = row["symbol"], row["order_type"]
        instrument, member = codes.instrument(symbol), codes.member(row["participant"])
        record |= {
            "submitting_entity": member.lei,
            "client": member.client,
            "direct_electronic_access": _flag(member.direct_electronic_access),
            "investment_decision": member.decision,
            "execution_decision": member.execution,
            "trading_capacity": member.capacity,
            "liquidity_provision": _flag(member.liquidity_provision),
            "date_and_time": schema.time_text(row["ts_ns"]),
            "validity_period": VALIDITY.get(row["time_in_force"], VALIDITY["DAY"]),
            "order_restriction": "VFAR" if (row["time_in_force"] or "").startswith("AT_") else "",
            "priority_time": schema.time_text(order.priority_ns),
            "sequence_number": str(row["event_seq"]),
            "segment_mic": codes.mic,
            "order_book_code": symbol,
            "instrument": instrument.isin,
            "date_of_receipt": schema.time_text(order.received_ns)[:10],
            "order_identification": UUID(bytes=row["order_uuid"]).hex,
            "event": event_of(row, row["seq"] in self.of_operator),
            "order_type": kind or "NONE",
            "order_type_classification": "STOP" if kind in STOPS else "LMTO",
            "price_currency": instrument.currency,
            "price_notation": "MONE",
            "buy_sell": SIDES.get(row["side"], SIDES["SELL"]),
            "order_status": "ACTI" if order.active else "INAC",
            "quantity_notation": "UNIT",
            "passive_only": _flag(kind in ("POST_ONLY", "POST_ONLY_SLIDE")),
            "self_execution_prevention": _flag(bool(row["self_trade"])),
            "trading_phase": self._phase(symbol, row["seq"]),
        }
        if row["time_in_force"] == "GTD":
            record["validity_until"] = schema.time_text(order.aux)
        record |= self._prices(order, row)
        return record | self._quantities(order, row)

    def _prices(self, order: _Order, row: dict[str, Any]) -> Row:
        decimals = self.codes.instrument(row["symbol"]).price_decimals
        kind, prices = row["order_type"], {}
        if kind in PEGS:
            prices["pegged_limit_price"] = schema.decimal_text(order.limit, decimals)
        elif kind not in UNPRICED or row["action"] == "CONVERT":
            prices["limit_price"] = schema.decimal_text(order.limit, decimals)
        if kind in STOPS and kind not in TRAILING:
            prices["stop_price"] = schema.decimal_text(order.aux, decimals)
        if row["action"] == "TRADE":
            prices["transaction_price"] = schema.decimal_text(row["price_ticks"], decimals)
            prices["transaction"] = str(row["match"])
            prices["passive_or_aggressive"] = "PASV" if row["maker"] else "AGRE"
            if row["auction"]:
                prices["passive_or_aggressive"] = ""
        if row["symbol"] in self.indicative:
            price, volume = self.indicative[row["symbol"]]
            if volume:
                prices["indicative_price"] = schema.decimal_text(price, decimals)
                prices["indicative_volume"] = schema.decimal_text(
                    volume, self.codes.instrument(row["symbol"]).qty_decimals
                )
        return prices

    def _quantities(self, order: _Order, row: dict[str, Any]) -> Row:
        decimals = self.codes.instrument(row["symbol"]).qty_decimals
        kind, leaves = row["order_type"], 0 if row["action"] == "REJECT" else order.leaves
        shown = leaves
        if kind in HIDDEN or not order.active:
            shown = 0
        elif order.shown is not None:
            shown = min(leaves, order.shown)
        quantities = {
            "initial_quantity": schema.decimal_text(order.initial, decimals),
            "remaining_quantity": schema.decimal_text(leaves, decimals),
            "displayed_quantity": schema.decimal_text(shown, decimals),
        }
        if row["action"] == "TRADE":
            quantities["traded_quantity"] = schema.decimal_text(row["qty_lots"], decimals)
        if kind == "MIN_QTY":
            quantities["minimum_acceptable_quantity"] = schema.decimal_text(order.aux, decimals)
        return quantities


def event_of(row: dict[str, Any], by_operator: bool = False) -> str:
    """Field 21 of a row of the trail; ``by_operator``: its cause cancelled all orders."""
    action = row["action"]
    if action == "TRADE":
        return "FILL" if row["leaves_lots"] == 0 else "PARF"
    if action in ("CANCEL", "REDUCE"):
        requested = row["reason"] in BY_THE_MEMBER
        requested |= row["reason"] == "MASS_CANCEL" and not by_operator
        member = requested or row["command"] == "REDUCE"
        if action == "REDUCE":
            return "REME" if member else "REMA"
        return "CAME" if member else "CAMO"
    return CHANGES[action]


def _flag(value: bool) -> str:
    return "true" if value else "false"
