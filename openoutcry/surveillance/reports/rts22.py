"""Transaction reports shaped as RTS 22: Delegated Regulation (EU) 2017/590, Annex I, Table 2.

A row for each side of each trade, with the member as the executing entity.  If a member is not an
investment firm, Regulation (EU) No 600/2014, Article 26(5), applies and the venue submits for it.
The fields of persons (names, dates of birth) and derivatives' terms are empty: only a member's own
systems have them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.reports import schema
from openoutcry.surveillance.reports.reference_data import Codes
from openoutcry.surveillance.reports.schema import Field, Row, Table, alphanumeric, one_of

CODE, NAME = alphanumeric(35), alphanumeric(140)
STATUS = {"TRADE": "NEWT", "BREAK": "CANC"}
"""A report's status by the trail's action.  A cancellation has the reference of the report that it
takes back."""


def _person(first: int, who: str) -> list[Field]:
    """Fields of a buyer or seller: identification, then what only the member knows."""
    names = (
        "branch_country",
        "first_names",
        "surnames",
        "birth_date",
        "decision_maker",
        "decision_maker_first_names",
        "decision_maker_surnames",
        "decision_maker_birth_date",
    )
    patterns = (schema.COUNTRY, NAME, NAME, schema.DATE, CODE, NAME, NAME, schema.DATE)
    rest = [
        Field(first + 1 + at, f"{who}_{name}", pattern, True)
        for at, (name, pattern) in enumerate(zip(names, patterns, strict=True))
    ]
    return [Field(first, who, CODE), *rest]


TABLE = Table(
    "RTS 22 transactions",
    "Delegated Regulation (EU) 2017/590, Annex I, Table 2",
    (
        Field(1, "report_status", one_of("NEWT", "CANC")),
        Field(2, "transaction_reference", alphanumeric(52)),
        Field(3, "venue_transaction", alphanumeric(52)),
        Field(4, "executing_entity", schema.LEI),
        Field(5, "investment_firm", schema.BOOLEAN),
        Field(6, "submitting_entity", schema.LEI),
        *_person(7, "buyer"),
        *_person(16, "seller"),
        Field(25, "transmission_of_order", schema.BOOLEAN),
        Field(26, "transmitting_firm_buyer", schema.LEI, True),
        Field(27, "transmitting_firm_seller", schema.LEI, True),
        Field(28, "trading_time", schema.TIME),
        Field(29, "trading_capacity", one_of("DEAL", "MTCH", "AOTC")),
        Field(30, "quantity", schema.DECIMAL),
        Field(31, "quantity_currency", schema.CURRENCY, True),
        Field(32, "notional_change", one_of("INCR", "DECR"), True),
        Field(33, "price", schema.DECIMAL),
        Field(34, "price_currency", schema.CURRENCY),
        Field(35, "net_amount", schema.DECIMAL, True),
        Field(36, "venue", schema.MIC),
        Field(37, "membership_country", schema.COUNTRY, True),
        Field(38, "up_front_payment", schema.DECIMAL, True),
        Field(39, "up_front_currency", schema.CURRENCY, True),
        Field(40, "complex_trade", CODE, True),
        Field(41, "instrument", schema.ISIN),
        Field(42, "instrument_name", alphanumeric(350), True),
        Field(43, "classification", r"[A-Z]{6}", True),
        Field(44, "notional_currency_1", schema.CURRENCY, True),
        Field(45, "notional_currency_2", schema.CURRENCY, True),
        Field(46, "price_multiplier", schema.DECIMAL, True),
        Field(47, "underlying", schema.ISIN, True),
        Field(48, "underlying_index", alphanumeric(25), True),
        Field(49, "index_term", alphanumeric(7), True),
        Field(50, "option_type", one_of("PUTO", "CALL", "OTHR"), True),
        Field(51, "strike_price", schema.DECIMAL, True),
        Field(52, "strike_currency", schema.CURRENCY, True),
        Field(53, "exercise_style", one_of("EURO", "AMER", "ASIA", "BERM", "OTHR"), True),
        Field(54, "maturity_date", schema.DATE, True),
        Field(55, "expiry_date", schema.DATE, True),
        Field(56, "delivery_type", one_of("PHYS", "CASH", "OPTL"), True),
        Field(57, "investment_decision", CODE, True),
        Field(58, "decision_country", schema.COUNTRY, True),
        Field(59, "execution_decision", CODE),
        Field(60, "execution_country", schema.COUNTRY, True),
        Field(61, "waiver", one_of("OILQ", "NLIQ", "PRIC", "ILQD", "RFPT", "SIZE"), True),
        Field(62, "short_selling", one_of("SESH", "SSEX", "SELL", "UNDI"), True),
        Field(63, "otc_indicator", alphanumeric(4), True),
        Field(64, "commodity_derivative", schema.BOOLEAN, True),
        Field(65, "securities_financing", schema.BOOLEAN),
    ),
)


def transactions(trail: Trail, day: str, codes: Codes) -> Iterator[Row]:
    """The day's transactions, two rows a trade, and two more (CANC) where it was taken back.

    Raises :class:`AuditError` for a day that is not in the trail, and for a code that is not in the
    file."""
    return TABLE.checked(_rows(trail, trail.day(day), codes))


def _rows(trail: Trail, tables: Iterable[Any], codes: Codes) -> Iterator[Row]:
    first: dict[str, Any] | None = None
    for table in tables:
        for batch in table.to_batches(max_chunksize=1 << 14):
            for row in batch.to_pylist():
                if row["action"] not in STATUS:
                    continue
                if first is None:
                    first = row
                    continue
                assert first["match"] == row["match"], "a trade's two sides follow each other"
                yield _report(trail, first, row, codes)
                yield _report(trail, row, first, codes)
                first = None


def _report(trail: Trail, own: dict[str, Any], other: dict[str, Any], codes: Codes) -> Row:
    instrument, member = codes.instrument(own["symbol"]), codes.member(own["participant"])
    buyer, seller = (own, other) if own["side"] == "BUY" else (other, own)
    report = schema.blank(TABLE.names)
    is_first = own["side"] == "BUY" if own["auction"] else own["maker"]
    return report | {
        "report_status": STATUS[own["action"]],
        "transaction_reference": f"{trail.journal_id:016X}{own['match'] + (not is_first)}",
        "venue_transaction": str(own["match"]),
        "executing_entity": member.lei,
        "investment_firm": "true" if member.mifid_firm else "false",
        "submitting_entity": member.lei if member.mifid_firm else codes.lei,
        "buyer": codes.member(buyer["participant"]).lei,
        "seller": codes.member(seller["participant"]).lei,
        "transmission_of_order": "false",
        "trading_time": schema.time_text(own["ts_ns"]),
        "trading_capacity": member.capacity,
        "quantity": schema.decimal_text(own["qty_lots"], instrument.qty_decimals),
        "price": schema.decimal_text(own["price_ticks"], instrument.price_decimals),
        "price_currency": instrument.currency,
        "venue": codes.mic,
        "membership_country": member.country,
        "instrument": instrument.isin,
        "instrument_name": instrument.name,
        "classification": instrument.classification,
        "investment_decision": member.decision,
        "execution_decision": member.execution,
        "securities_financing": "false",
    }
