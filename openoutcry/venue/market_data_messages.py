"""Market data as FIX 4.4 says it: requests (V, x, c, e, g) with every field followed, taken as
information or refused by its name, and what answers them (W, X, Y, y, d, f, h).

A price has the decimals of the instrument's orders.  What is of no instrument, or not there, has no
entry.  Nothing here knows a connection or a clock.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

from openoutcry.derivatives.contracts import CALL, PUT, Contract
from openoutcry.market_data.book import Instrument, Trade
from openoutcry.market_data.depth import View
from openoutcry.order_entry.fix import words
from openoutcry.order_entry.fix.endpoint import body_of, fields_text
from openoutcry.venue.contract_figures import Figures
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.instrument_states import STATES

FULL_DEPTH = 5_000
"""Levels of a side of MarketDepth (264) 0; no request may ask for more."""
MAX_NAME = 64
"""Characters of the name that a client gives a request."""
BID, OFFER, TRADE, INDEX, OPEN, CLOSE, SETTLEMENT, HIGH, LOW, VOLUME, INTEREST, MARK = (
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "B", "C", "k",
)  # fmt: skip
ENTRY_TYPES = (
    BID, OFFER, TRADE, INDEX, OPEN, CLOSE, SETTLEMENT, HIGH, LOW, VOLUME, INTEREST, MARK,
)  # fmt: skip
"""MDEntryType (269) that are served."""
OF_CONTRACTS = INDEX, SETTLEMENT, INTEREST, MARK
WITH_SEQUENCE, SEQUENCE = 5560, 5561
OWN_FIELDS = {
    "V": {WITH_SEQUENCE: ("WithFeedSequence", "BOOLEAN")},
    "W": {SEQUENCE: ("FeedSequence", "INT")},
    "X": {SEQUENCE: ("FeedSequence", "INT")},
}
"""Name and type of the fields that are not of the standard, by the type of their message."""
OWN_VALUES = {269: {MARK: "MARK_PRICE"}}
"""Values that are not of the standard, by the tag of their field, with their names."""
UNKNOWN_SYMBOL, DUPLICATE, TOO_MUCH, NO_SUBSCRIPTION_TYPE, NO_DEPTH, NO_UPDATE_TYPE = "012456"
NO_ENTRY_TYPE, NO_SESSION = "8", "9"
"""MDReqRejReason (281)."""
MISSING, WRONG_VALUE, BAD_TAG, TWICE, GROUP_ORDER, GROUP_COUNT, OTHER = 1, 5, 0, 13, 15, 16, 99
"""SessionRejectReason (373)."""
NEW, CHANGED, GONE = "0", "1", "2"
"""MDUpdateAction (279)."""
SNAPSHOT, UPDATES, STOP = "0", "1", "2"
"""SubscriptionRequestType (263)."""

NAMES = {
    55: "Symbol", 146: "NoRelatedSym", 262: "MDReqID", 263: "SubscriptionRequestType",
    264: "MarketDepth", 265: "MDUpdateType", 266: "AggregatedBook", 267: "NoMDEntryTypes",
    269: "MDEntryType", 286: "OpenCloseSettlFlag", 320: "SecurityReqID",
    321: "SecurityRequestType", 324: "SecurityStatusReqID", 335: "TradSesReqID",
    386: "NoTradingSessions", 336: "TradingSessionID", 546: "Scope", 547: "MDImplicitDelete",
    559: "SecurityListRequestType", 625: "TradingSessionSubID", 815: "ApplQueueAction",
    812: "ApplQueueMax", WITH_SEQUENCE: "WithFeedSequence",
}  # fmt: skip
REQUIRED = {
    "V": (262, 263, 264, 267, 146),
    "x": (320, 559),
    "c": (320, 321),
    "e": (324, 55, 263),
    "g": (335, 263),
}
"""Fields that a request must have; the first is its name."""
FOLLOWED = {
    "V": {262, 263, 264, 265, 267, 269, 146, 55, WITH_SEQUENCE},
    "x": {320, 559, 55, 263},
    "c": {320, 321, 55, 263},
    "e": {324, 55, 263},
    "g": {335, 263},
}
INFORMATION = {106, 107, 348, 349, 350, 351}
"""Texts about an instrument, which the symbol names."""
ONLY_AS = {266: ("Y", "7"), 286: ("0", "B"), 546: ("1", "A"), 547: ("N", "C")}
"""Fields of a V that may have this value alone, which says what is done anyway; MDReqRejReason of
another."""
NOT_SERVED = {386: NO_SESSION, 336: NO_SESSION, 625: NO_SESSION}
"""Fields of a V that are refused by an MDReqRejReason of their own."""
GROUPS = {267: 269, 146: 55}
"""First field of each entry of a group, by its count."""
FLAGS = {WITH_SEQUENCE: "YN"}

Fields = list[tuple[int, str]]


class FieldFault(Exception):
    """A field at fault: what is rejected by a Reject (3)."""

    def __init__(self, tag: int, reason: int, text: str) -> None:
        super().__init__(f"{NAMES.get(tag, 'the field')} ({tag}) {text}")
        self.tag, self.reason = tag, reason


class Refusal(Exception):
    """A request that is whole and is not served; ``code``: of the message that refuses it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Request:
    """A request, its fields checked; of several symbols only a V."""

    kind: str
    name: str
    symbols: tuple[str, ...]
    subscription: str = SNAPSHOT
    depth: int = FULL_DEPTH
    types: frozenset[str] = frozenset()
    is_incremental: bool = True
    with_sequence: bool = False
    what: str = ""
    """Of a list or definition: its type of request."""


_LENGTHS = frozenset(words.DATA_TAGS.values())
"""Fields that say how long the next one is, which may have any byte."""
_TRAILER_BYTES = 7


def fields_of(raw: bytes) -> Fields:
    """Return the fields of a whole message, but for header and trailer.  Raises
    :class:`FieldFault`."""
    found, at, end_of_body, size, before = Fields(), 0, len(raw) - _TRAILER_BYTES, -1, 0
    while at < end_of_body:
        tag_text, equals, _ = raw[at : at + 16].partition(b"=")
        begin = at + len(tag_text) + 1
        end = begin + size if size >= 0 else raw.find(b"\x01", begin)
        if not (equals and tag_text.isdigit()) or raw[end : end + 1] != b"\x01":
            raise FieldFault(before, BAD_TAG, "is followed by something that is no field")
        before, value = int(tag_text), raw[begin:end].decode("latin-1")
        is_length = before in _LENGTHS and value.isascii() and value.isdigit()
        size = min(int(value), end_of_body) if is_length else -1
        if before not in words.HEADER_TAGS:
            found.append((before, value))
        at = end + 1
    return found


def request_of(kind: str, raw: bytes, knows: Callable[[str], bool], has_contracts: bool) -> Request:
    """Return the request of a message; ``knows``: whether a symbol is an instrument's.

    Raises :class:`FieldFault` or :class:`Refusal`."""
    fields = fields_of(raw)
    single = _checked(kind, fields)
    name = single[REQUIRED[kind][0]]
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        tag = REQUIRED[kind][0]
        raise FieldFault(tag, WRONG_VALUE, f"is not 1 to {MAX_NAME} printable characters")
    subscription = single.get(263, SNAPSHOT)
    if subscription not in (SNAPSHOT, UPDATES, STOP) or (kind in "xc" and subscription != SNAPSHOT):
        if kind == "V":
            raise Refusal(NO_SUBSCRIPTION_TYPE, _values(263, "0, 1 or 2"))
        allowed = "0" if kind in "xc" else "0, 1 or 2"
        raise FieldFault(263, WRONG_VALUE, f"must be {allowed}")
    symbols = tuple(value for tag, value in fields if tag == 55)
    if kind != "V":
        return Request(kind, name, symbols, subscription, what=single.get(559, single.get(321, "")))
    if subscription == STOP:
        return Request(kind, name, symbols, subscription)
    return _market_data(name, fields, single, symbols, knows, has_contracts)


def _market_data(
    name: str,
    fields: Fields,
    single: Mapping[int, str],
    symbols: tuple[str, ...],
    knows: Callable[[str], bool],
    has_contracts: bool,
) -> Request:
    for tag, (value, code) in ONLY_AS.items():
        if single.get(tag, value) != value:
            raise Refusal(code, _values(tag, value))
    for tag, code in NOT_SERVED.items():
        if tag in single:
            raise Refusal(code, f"{NAMES[tag]} ({tag}) is not followed: a venue has one session")
    for symbol in symbols:
        if not knows(symbol):
            raise Refusal(UNKNOWN_SYMBOL, f"Symbol (55) {symbol} is no instrument of this venue")
    if len(set(symbols)) < len(symbols):
        raise Refusal(DUPLICATE, "Symbol (55) occurs twice in one request")
    depth = single[264]
    if not (depth.isdigit() and depth.isascii() and len(depth) <= 9) or int(depth) > FULL_DEPTH:
        raise Refusal(NO_DEPTH, f"MarketDepth (264) must be 0 to {FULL_DEPTH}")
    update, subscription = single.get(265), single.get(263)
    if update not in ("0", "1") and not (update is None and subscription == SNAPSHOT):
        raise Refusal(NO_UPDATE_TYPE, _values(265, "0 or 1"))
    types = [value for tag, value in fields if tag == 269]
    for one in types:
        if one not in ENTRY_TYPES:
            raise Refusal(NO_ENTRY_TYPE, f"MDEntryType (269) {one} is not served")
        if one in OF_CONTRACTS and not has_contracts:
            text = f"MDEntryType (269) {one}: this venue has no contracts"
            raise Refusal(NO_ENTRY_TYPE, text)
    return Request(
        "V",
        name,
        symbols,
        single[263],
        int(depth) or FULL_DEPTH,
        frozenset(types),
        update != "0",
        single.get(WITH_SEQUENCE) == "Y",
    )


def _values(tag: int, values: str) -> str:
    return f"{NAMES[tag]} ({tag}) must be {values}"


def _checked(kind: str, fields: Fields) -> dict[int, str]:
    """Return the fields by tag, the first of each; raises :class:`FieldFault` for one that is
    empty, repeated or not taken, and for a group that is not as its count says."""
    single: dict[int, str] = {}
    entries = dict.fromkeys(GROUPS, 0)
    members = {first: count for count, first in GROUPS.items()} if kind == "V" else {}
    of_v = set(ONLY_AS) | set(NOT_SERVED) if kind == "V" else set()
    taken = FOLLOWED[kind] | INFORMATION | of_v
    for tag, value in fields:
        if tag > words.LAST_TAG and tag not in taken:
            continue
        if not value:
            raise FieldFault(tag, 4, "has no value")
        if tag not in taken:
            raise FieldFault(tag, OTHER, "is not followed here")
        if tag in members:
            if members[tag] not in single:
                raise FieldFault(members[tag], MISSING, "is missing")
            entries[members[tag]] += 1
        elif tag in single and tag not in INFORMATION | {336, 625}:
            raise FieldFault(tag, TWICE, "occurs twice")
        if value not in FLAGS.get(tag, value):
            raise FieldFault(tag, WRONG_VALUE, "must be Y or N")
        single.setdefault(tag, value)
    for tag in REQUIRED[kind]:
        if tag not in single:
            raise FieldFault(tag, MISSING, "is missing")
    for count in GROUPS if kind == "V" else ():
        given = single[count]
        if not (given.isdigit() and given.isascii()) or int(given) != entries[count]:
            raise FieldFault(count, GROUP_COUNT, f"is {given}, and there are {entries[count]}")
        if not entries[count]:
            raise FieldFault(GROUPS[count], MISSING, "is missing")
    return single


# What there is to say of an instrument.


class Entry(NamedTuple):
    """The texts of an entry: price, size and number of orders; empty: the entry has none."""

    price: str = ""
    size: str = ""
    orders: str = ""


Entries = dict[tuple[str, int], Entry]
"""By type, and of a level by its price in the book."""


@dataclass(frozen=True)
class Market:
    """An instrument at one moment; ``sequence``: the last message of the feed that is in it."""

    view: View
    instrument: Instrument
    decimals: int
    sequence: int
    figures: Figures | None = None

    def price(self, price: int) -> str:
        """Return the text of a price of the book."""
        more = self.view.price_decimals - self.decimals
        return decimal_text(price // 10 ** max(more, 0), self.decimals)

    def entries(self, types: frozenset[str], depth: int) -> Entries:
        """Return the entries of these types, trades apart from the last one."""
        found, one = Entries(), self.instrument
        for kind, levels in ((BID, self.view.bids), (OFFER, self.view.asks)):
            if kind in types:
                for price, shares, orders in levels[:depth]:
                    found[kind, price] = Entry(self.price(price), str(shares), str(orders))
        if one.trades:
            prices = {OPEN: one.open_price, HIGH: one.high, LOW: one.low}
            if one.reason == CLOSED:
                prices[CLOSE] = one.last_price
            for kind in prices.keys() & types:
                found[kind, 0] = Entry(self.price(prices[kind]))
            if TRADE in types:
                found[TRADE, 0] = Entry(self.price(one.last_price), str(one.last_shares))
            if VOLUME in types:
                found[VOLUME, 0] = Entry(size=str(one.volume))
        if (now := self.figures) is not None:
            prices = {MARK: now.mark, INDEX: now.index, SETTLEMENT: now.settlement}
            for kind in prices.keys() & types:
                if prices[kind]:
                    found[kind, 0] = Entry(decimal_text(prices[kind], self.decimals))
            if INTEREST in types:
                found[INTEREST, 0] = Entry(size=str(now.open_interest))
        return dict(sorted(found.items(), key=_place))


CLOSED = "CLSD"
"""Reason of the trading state of an instrument that is closed."""


def _place(row: tuple[tuple[str, int], Entry]) -> tuple[str, int]:
    """Levels best first."""
    kind, price = row[0]
    return kind, -price if kind == BID else price


def _entry_fields(entry: Entry) -> Iterable[tuple[int, object]]:
    for tag, text in ((270, entry.price), (271, entry.size), (346, entry.orders)):
        if text:
            yield tag, text


def snapshot_body(request: Request, market: Market, entries: Entries) -> bytes:
    """A MarketDataSnapshotFullRefresh (W)."""
    rows: list[tuple[int, object]] = [(262, request.name), (55, market.view.symbol)]
    rows += _sequence(request, market)
    rows.append((268, len(entries)))
    for (kind, _), entry in entries.items():
        rows += [(269, kind), *_entry_fields(entry)]
    return body_of("W", rows)


Changes = list[tuple[str, str, Entry]]
"""Action, type and entry."""


def changes(old: Entries, new: Entries) -> Changes:
    """Return what turns ``old`` into ``new``, but for trades; what is gone comes first."""
    gone = [(GONE, key[0], old[key]) for key in old if key not in new and key[0] != TRADE]
    return gone + [
        (CHANGED if key in old else NEW, key[0], entry)
        for key, entry in new.items()
        if key[0] != TRADE and old.get(key) != entry
    ]


def update_body(
    request: Request,
    market: Market,
    rows: Iterable[tuple[str, str, Entry]],
    trades: Iterable[Trade],
) -> bytes:
    """A MarketDataIncrementalRefresh (X); empty if it would say nothing."""
    symbol, groups = market.view.symbol, list[list[tuple[int, object]]]()
    for trade in trades:
        entry = Entry(market.price(trade.price), str(trade.shares))
        head = [(279, NEW), (269, TRADE), (278, trade.match), (55, symbol)]
        groups.append([*head, *_entry_fields(entry), (273, _time(trade.time_ns))])
    for action, kind, entry in rows:
        said = Entry(entry.price) if action == GONE else entry
        groups.append([(279, action), (269, kind), (55, symbol), *_entry_fields(said)])
    if not groups:
        return b""
    fields: list[tuple[int, object]] = [(262, request.name), *_sequence(request, market)]
    fields.append((268, len(groups)))
    return body_of("X", [*fields, *(field for group in groups for field in group)])


def _sequence(request: Request, market: Market) -> list[tuple[int, object]]:
    return [(SEQUENCE, market.sequence)] if request.with_sequence else []


def _time(since_midnight_ns: int) -> str:
    ms = since_midnight_ns // 1_000_000
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1_000 % 60:02}.{ms % 1_000:03}"


# What instruments there are, and whether they trade.


@dataclass(frozen=True)
class Security:
    """An instrument as the venue file has it."""

    symbol: str
    currency: str
    decimals: int
    contract: Contract | None = None

    def fields(self) -> Iterable[tuple[int, object]]:
        """The fields of the component Instrument."""
        yield 55, self.symbol
        if self.contract is None:
            return
        yield 167, "OPT" if self.contract.is_option else "FUT"
        if self.contract.expiry_ns:
            at = datetime.fromtimestamp(self.contract.expiry_ns // 10**9, UTC)
            yield 541, at.strftime("%Y%m%d")
        if self.contract.kind in (CALL, PUT):
            yield 201, int(self.contract.kind == CALL)
            yield 202, decimal_text(self.contract.strike_ticks, self.decimals)

    def texts(self) -> Iterable[tuple[int, object]]:
        """Return what a list and a definition say in addition."""
        if self.currency:
            yield 15, self.currency

    @property
    def text(self) -> str:
        """Return what no field of 4.4 says."""
        return f"prices have {self.decimals} decimals, quantities are lots"

    @cached_property
    def listed(self) -> bytes:
        """Its fields in a list: made once, as any client may ask for lists."""
        return fields_text([*self.fields(), *self.texts(), (561, 1), (58, self.text)])


def list_body(request: Request, found: list[Security], part: int, total: int, last: bool) -> bytes:
    """A SecurityList (y): a part of those that were found."""
    result = 0 if total else 2
    head = [(320, request.name), (322, f"{request.name}-{part}"), (560, result), (393, total)]
    rows: list[tuple[int, object]] = [*head, (893, "Y" if last else "N")]
    if found:
        rows.append((146, len(found)))
    return body_of("y", rows) + b"".join(one.listed for one in found)


def no_list_body(request: Request) -> bytes:
    """A SecurityList (y) that says that such a list is not made."""
    rows = [(320, request.name), (322, f"{request.name}-1"), (560, 1)]
    return body_of("y", rows)


def definition_body(request: Request, found: Security | None, why: str = "") -> bytes:
    """A SecurityDefinition (d); without one it is refused."""
    rows: list[tuple[int, object]] = [(320, request.name), (322, f"{request.name}-1")]
    if found is None:
        return body_of("d", [*rows, (323, 5), (58, why)])
    rows += [(323, 1), *found.fields(), *found.texts(), (58, found.text), (561, 1)]
    return body_of("d", rows)


PHASES = {
    "PREO": (21, "4"),
    "OPEN": (22, "4"),
    "CLOS": (22, "5"),
    "VOLA": (22, "1"),
    "CONT": (17, "2"),
    "LAST": (17, "5"),
    CLOSED: (18, "3"),
    **{
        word[1:]: (int(STATES.say("FIX 326", state)), STATES.say("FIX 340", state))
        for state, word in STATES.offered("feed").items()
    },
}
"""SecurityTradingStatus (326) and TradSesStatus (340) of a reason of the trading state."""
OF_STATE = {"T": (17, "2"), "Q": (22, "4"), "P": (2, "1"), "H": (2, "1")}
"""The same of a trading state with another reason."""
UNKNOWN_STATE = 20, "0"


def status_of(instrument: Instrument | None) -> tuple[int, str]:
    """SecurityTradingStatus (326), and the reason of the feed."""
    if instrument is None:
        return UNKNOWN_STATE[0], ""
    if instrument.stopped:
        return 2, instrument.reason
    other = OF_STATE.get(instrument.state, UNKNOWN_STATE)
    return PHASES.get(instrument.reason, other)[0], instrument.reason


def status_body(
    request: Request, status: tuple[int, str], last: str = "", unsolicited: bool = False
) -> bytes:
    """A SecurityStatus (f)."""
    rows: list[tuple[int, object]] = [(324, request.name), (55, request.symbols[0])]
    rows += [(325, "Y" if unsolicited else "N"), (326, status[0])]
    rows += [(31, last)] if last else []
    return body_of("f", [*rows, *([(58, status[1])] if status[1] else [])])


def session_status(instruments: Iterable[Instrument]) -> str:
    """TradSesStatus (340) of the venue: open while one instrument trades, and as the first of the
    others."""
    states = [
        PHASES.get(one.reason, OF_STATE.get(one.state, UNKNOWN_STATE))[1]
        for one in instruments
        if one.state
    ]
    return "2" if "2" in states else min(states, default="0", key="4513".find)


def session_body(request: Request, status: str, unsolicited: bool = False) -> bytes:
    """A TradingSessionStatus (h)."""
    rows = [(335, request.name), (336, "DAY"), (325, "Y" if unsolicited else "N"), (340, status)]
    return body_of("h", rows)


def refusal_body(request_name: str, refusal: Refusal) -> bytes:
    """A MarketDataRequestReject (Y)."""
    return body_of("Y", [(262, request_name), (281, refusal.code), (58, str(refusal))])


def reject_body(number: int, kind: str, fault: FieldFault) -> bytes:
    """A Reject (3)."""
    tag = [(371, fault.tag)] if fault.tag else []
    rows: list[tuple[int, object]] = [(45, number), *tag, (372, kind), (373, fault.reason)]
    return body_of("3", [*rows, (58, str(fault))])


def business_reject(number: int, kind: str, reason: str, text: str) -> bytes:
    """A BusinessMessageReject (j) of a message that is not served."""
    return body_of("j", [(45, number), (372, kind), (380, reason), (58, text)])
