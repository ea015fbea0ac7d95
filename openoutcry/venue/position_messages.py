"""Positions and margin as FIX 4.4 says them: RequestForPositions (AN), its acknowledgement (AO) and
a PositionReport (AP) for each contract, for the venue's own sessions and the portal's.

Everything in an answer is of one moment.  Fields of the standard are always there.  Those of the
margin, with tags from 5501 on, are there if the request has ``5500=Y``.  So is what was paid in
funding, up to the last period of that moment; what the history does not have yet is left out.
"""

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openoutcry.order_entry.fix.endpoint import body_of
from openoutcry.order_entry.sessions import LANE
from openoutcry.order_entry.sessions import NAME as SESSIONS
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.contract_layout import LIVE
from openoutcry.risk.region import View
from openoutcry.risk.snapshot import PATIENCE_S, NeverStill, Place, require, snapshot
from openoutcry.runtime.shared import Shared
from openoutcry.venue.file import VenueFile
from openoutcry.venue.funding_book import FundingBook, FundingError, perpetual_periods
from openoutcry.venue.margin_view import MarginView
from openoutcry.wire.decimals import decimal_text

VALID, INVALID, NONE, NOT_AUTHORISED, UNSUPPORTED, OTHER = "0", "1", "2", "3", "4", "99"
"""PosReqResult (728)."""
COMPLETED, REJECTED = "0", "2"
"""PosReqStatus (729)."""
THEORETICAL = "2"
"""SettlPriceType (731): a mark."""
SNAPSHOT, POSITIONS = "0", "0"
"""SubscriptionRequestType (263) and PosReqType (724) that are answered."""
WITH_MARGIN = 5500
FUNDING = "FUND"
"""PosAmtType (707) of what the position's contract was paid in funding: the standard has none."""
FUNDING_TOTAL, FUNDING_SINCE = 5509, 5547
TOTALS = {
    "equity": 5503,
    "maintenance": 5504,
    "initial": 5505,
    "with_orders": 5506,
    "reserved": 5507,
}
PARTS = {
    "maintenance": 5514, "initial": 5515, "scan": 5516, "intra": 5518, "credit": 5519,
    "short_minimum": 5520, "addon": 5521,
}  # fmt: skip
GREEKS = {"delta": 5525, "gamma": 5526, "vega": 5527, "theta": 5528}
SCENARIOS, SPAN_SCENARIOS = 5531, 16
"""Tag of the first scenario's loss, and how many there are."""
OWN_FIELDS: dict[str, dict[int, tuple[str, str]]] = {
    "AN": {WITH_MARGIN: ("WithMargin", "BOOLEAN")},
    "AO": {
        5501: ("AsOfCommand", "INT"),
        5502: ("MarginAsset", "CURRENCY"),
        5503: ("Equity", "AMT"),
        5504: ("MaintenanceMargin", "AMT"),
        5505: ("InitialMargin", "AMT"),
        5506: ("InitialMarginWithOrders", "AMT"),
        5507: ("ReservedByOrders", "AMT"),
        5508: ("CreditIsLimited", "BOOLEAN"),
        FUNDING_TOTAL: ("FundingTotal", "AMT"),
        FUNDING_SINCE: ("FundingSince", "UTCTIMESTAMP"),
    },
    "AP": {
        5510: ("MarginUnderlying", "STRING"),
        5511: ("IndexPrice", "PRICE"),
        5512: ("FundingPeriod", "INT"),
        5513: ("FundingRateBillionths", "INT"),
        5514: ("UnderlyingMaintenance", "AMT"),
        5515: ("UnderlyingInitial", "AMT"),
        5516: ("ScanRisk", "AMT"),
        5517: ("ActiveScenario", "INT"),
        5518: ("InterMonthCharge", "AMT"),
        5519: ("InterCommodityCredit", "AMT"),
        5520: ("ShortOptionMinimum", "AMT"),
        5521: ("MarginAddOn", "AMT"),
        5522: ("NetDeltaMillionths", "INT"),
        5523: ("LiquidatedBelow", "PRICE"),
        5524: ("LiquidatedAbove", "PRICE"),
        5525: ("DeltaPerTick", "FLOAT"),
        5526: ("GammaPerTick", "FLOAT"),
        5527: ("VegaPerPoint", "FLOAT"),
        5528: ("ThetaPerDay", "FLOAT"),
        5529: ("TakeoverPlace", "INT"),
        5530: ("TakeoverOf", "INT"),
        **{
            SCENARIOS + number: (f"ScenarioLoss{number + 1}", "AMT")
            for number in range(SPAN_SCENARIOS)
        },
    },
}
"""Name and type of the fields that are not of the standard, by the type of their message."""
OWN_VALUES = {707: {FUNDING: "FUNDING"}}
"""Values that are not of the standard, by the tag of their field, with their names."""
Fields = list[tuple[int, object]]
Request = Mapping[int, str]
Moment = tuple[View, int]
"""What the core knows of a participant, and after which command; 0: that is not known."""


def answers_of(file: VenueFile, shared: Shared) -> Callable[[Request, Container[int]], list[bytes]]:
    """Return what answers the requests of a run's sessions: of a moment after all that they had
    sent, and once what led to it was released to them."""
    lane, commands, events = shared.rings[LANE], shared.sequenced, shared.events
    (gateway,) = lane.cursors.values()
    cores = [commands.cursors[name] for name in shared.table.matchers]

    def place() -> Place:
        done = min(int(cursor[0]) for cursor in cores)
        return Place(commands.published, done)

    @contextmanager
    def moment(who: int) -> Iterator[Moment | None]:
        if len(shared.regions) != 1:  # of several matchers
            yield None
            return
        until_s, sent = time.monotonic() + PATIENCE_S, lane.published
        require(lambda: int(gateway[0]) >= sent, until_s)
        found = snapshot(shared.regions[0], who, place)
        # Sessions see only what is safe: what led to this must have been released to them.
        made = events.published
        require(lambda: int(events.cursors[SESSIONS][0]) >= made, until_s)
        yield found

    return Positions(file, moment).answers


@dataclass
class Positions:
    """Answers requests for positions; ``moment`` holds what the core knows of a participant, None:
    it cannot be had here."""

    file: VenueFile
    moment: Callable[[int], AbstractContextManager[Moment | None]]

    def __post_init__(self) -> None:
        self._book = FundingBook(self.file.journal)

    def answers(self, request: Request, seen: Container[int]) -> list[bytes]:
        """The messages that answer an AN of a session that may see these participants' positions.

        Raises :class:`KeyError` for a field that is missing."""
        return self.taken(request, seen)()

    def taken(self, request: Request, seen: Container[int]) -> Callable[[], list[bytes]]:
        """Take what an answer is made of; the result makes it, which may take long.  Raises as
        :meth:`answers`."""
        account, symbol = request[1], request.get(55, "")
        for tag in (710, 715, 724, 581):
            request[tag]
        who = int(account) if account.isascii() and account.isdecimal() else 0
        if str(who) != account or who not in seen:
            why = f"account {account!r} is none of this session's"
            return _refused(request, NOT_AUTHORISED, why)
        if request[724] != POSITIONS or request.get(263, SNAPSHOT) != SNAPSHOT:
            return _refused(request, UNSUPPORTED, "724=0 and 263=0 are answered")
        if symbol and symbol not in self.file.risk.contracts:
            return _refused(request, INVALID, f"{symbol} is no contract")
        try:
            with self.moment(who) as moment:
                if moment is None:
                    why = "the positions of this venue are not known here"
                    return _refused(request, UNSUPPORTED, why)
                if who >= len(moment[0].participants):
                    return _refused(request, NOT_AUTHORISED, f"there is no participant {who}")
                return self._of_moment(request, symbol, who, moment)
        except NeverStill as error:
            return _refused(request, OTHER, str(error))

    def _of_moment(
        self, request: Request, symbol: str, who: int, moment: Moment
    ) -> Callable[[], list[bytes]]:
        view, seq = moment
        held = self._held(view, who, symbol)
        has_margin = request.get(WITH_MARGIN) == "Y" and view.contracts is not None
        margin = self._margin(view, who, seq) if has_margin else None
        periods = perpetual_periods(self.file, view) if has_margin else {}

        def made() -> list[bytes]:
            totals, of_symbol = margin() if margin else (Fields(), dict[str, Fields]())
            more, funding = self._funding(periods, who)
            totals += more
            if not held:
                none = f"no position in {symbol or 'a contract'}"
                return [_ack(request, NONE, none, more=totals)]
            reports = []
            for number, (name, (fields, gain)) in enumerate(held.items(), 1):
                paid: Fields = [(707, FUNDING), (708, funding[name])] if name in funding else []
                amounts = [(753, 1 + bool(paid)), (707, "FMTM"), (708, gain), *paid]
                fields = [*fields, *amounts, *of_symbol.get(name, [])]
                reports.append(_report(request, number, len(held), fields))
            return [_ack(request, VALID, count=len(held), more=totals), *reports]

        return made

    def _held(self, view: View, who: int, wanted: str) -> dict[str, tuple[Fields, str]]:
        """Return of each position: symbol, mark, the last settlement price and lots; and the gain
        since it was taken."""
        contracts, rows = view.contracts, dict[str, tuple[Fields, str]]()
        if contracts is None:
            return rows
        for place, symbol in enumerate(self.file.symbols):
            lots = view.cell(who, place, lay.POSITION)
            if place not in contracts.number or not lots or contracts.of(place, "state") != LIVE:
                continue
            if wanted not in ("", symbol):
                continue
            asset = self.file.risk.contracts[symbol].contract.asset
            money, ticks = self.file.risk.money.assets[asset], contracts.of(place, "mark")
            prior = contracts.of(place, "settlement") if contracts.of(place, "day") else ticks
            gain = lots * contracts.value(place, ticks) - view.cell(who, place, lay.MARK)
            decimals = self.file.sessions.price_decimals[symbol]
            fields: Fields = [
                *((55, symbol), (15, asset)),
                *((730, decimal_text(ticks, decimals)), (731, THEORETICAL)),
                *((734, decimal_text(prior, decimals)), (702, 1), (703, "TQ")),
                (704, lots) if lots > 0 else (705, -lots),
            ]
            rows[symbol] = fields, decimal_text(gain, money)
        return rows

    def _funding(self, periods: Mapping[str, int], who: int) -> tuple[Fields, dict[str, str]]:
        """The fields of an AO, and by symbol what each perpetual was paid, up to these periods.  Of
        what is not known, or not yet, there is nothing."""
        if not periods:
            return [], {}
        try:
            found, since_ns = self._book.totals(who, periods), self._book.since_ns()
        except FundingError:
            return [], {}
        asset = self.file.risk.contracts[next(iter(periods))].contract.asset
        decimals = self.file.risk.money.assets[asset]
        fields: Fields = []
        if len(found) == len(periods):
            fields.append((FUNDING_TOTAL, decimal_text(sum(found.values()), decimals)))
        if found and since_ns:
            fields.append((FUNDING_SINCE, _timestamp(since_ns)))
        return fields, {symbol: decimal_text(paid, decimals) for symbol, paid in found.items()}

    def _margin(
        self, view: View, who: int, seq: int
    ) -> Callable[[], tuple[Fields, dict[str, Fields]]]:
        """Return what makes the fields of an AO, and by symbol those of an AP."""
        file = self.file
        asset = next(iter(file.risk.contracts.values())).contract.asset
        decimals = file.risk.money.assets[asset]
        if file.risk.margin_file is None:
            plain: dict[str, Any] = {
                "equity": view.equity(who) + view.counted(who),
                "maintenance": view.maintenance(who),
                "initial": view.of(who, lay.MARGINED),
                "reserved": view.of(who, lay.RESERVED),
                "is_limited": view.of(who, lay.CREDIT) != NO_LIMIT,
            }
            document = plain.copy
        else:
            document = MarginView(file.risk, list(file.symbols), view).taken(who)

        def made() -> tuple[Fields, dict[str, Fields]]:
            found = document()
            totals: Fields = [*([(5501, seq)] if seq else []), (5502, asset)]
            totals += _money(found, TOTALS, decimals)
            totals.append((5508, "Y" if found["is_limited"] else "N"))
            rows = {
                symbol: self._of_symbol(symbol, row, found, decimals)
                for symbol, row in found.get("positions", {}).items()
            }
            return totals, rows

        return made

    def _of_symbol(
        self, symbol: str, row: dict[str, int], found: dict[str, Any], decimals: int
    ) -> Fields:
        """Index and funding of a contract, and what the margin of its underlying is made of."""
        name, ticks = self.file.risk.contracts[symbol].contract.underlying, self._decimals(symbol)
        fields: Fields = [(5510, name)]
        if row["index"]:
            fields.append((5511, decimal_text(row["index"], ticks)))
        if "funding_period" in row:
            fields += [(5512, row["funding_period"]), (5513, row["funding_rate"])]
        fields += [(5529, row["takeover_place"]), (5530, row["takeover_of"])]
        part = found["commodities"].get(name)
        if part is None:
            return fields
        fields += _money(part, PARTS, decimals)
        fields += [(5517, part["active"] + 1), (5522, part["net_delta"])]
        ends = found["liquidation"].get(name, {})
        for tag, side in ((5523, "below"), (5524, "above")):
            if ends.get(side) is not None:
                fields.append((tag, decimal_text(ends[side], self._decimals_of_underlying(name))))
        greeks = found["greeks"].get(name, {})
        fields += [(tag, _plain(greeks[greek])) for greek, tag in GREEKS.items() if greek in greeks]
        losses = enumerate(part["scenarios"][:SPAN_SCENARIOS], SCENARIOS)
        return fields + [(tag, decimal_text(loss, decimals)) for tag, loss in losses]

    def _decimals(self, symbol: str) -> int:
        return self.file.sessions.price_decimals[symbol]

    def _decimals_of_underlying(self, underlying: str) -> int:
        """Decimals of an underlying's price: those of a future or perpetual on it, if there is
        one."""
        rows = [contract.contract for contract in self.file.risk.contracts.values()]
        of_it = (row for row in rows if row.underlying == underlying)
        return self._decimals(min(of_it, key=lambda one: one.kind).symbol)


def _money(row: Mapping[str, Any], tags: Mapping[str, int], decimals: int) -> Fields:
    return [(tag, decimal_text(row[name], decimals)) for name, tag in tags.items() if name in row]


def _timestamp(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y%m%d-%H:%M:%S")


def _plain(value: float) -> str:
    """Nine digits, without an exponent, which FIX does not know."""
    text = f"{value:.9g}"
    return text if "e" not in text else f"{float(text):.18f}".rstrip("0").rstrip(".") or "0"


def _who(request: Request) -> Fields:
    account = request[1]
    parties: Fields = [(453, 1), (448, account), (447, "D"), (452, 1)]
    return [*parties, (1, account), (581, request[581])]


def _refused(request: Request, result: str, why: str) -> Callable[[], list[bytes]]:
    return lambda: [_ack(request, result, why)]


def _ack(
    request: Request,
    result: str,
    why: str = "",
    count: int = 0,
    more: Sequence[tuple[int, object]] = (),
) -> bytes:
    name = request[710]
    status = COMPLETED if result in (VALID, NONE) else REJECTED
    fields: Fields = [(721, name), (710, name), (727, count), (728, result), (729, status)]
    return body_of("AO", [*fields, *_who(request), *([(58, why)] if why else []), *more])


def _report(request: Request, number: int, count: int, fields: Fields) -> bytes:
    name = request[710]
    head: Fields = [(721, f"{name}-{number}"), (710, name), (724, POSITIONS)]
    head += [(727, count), (728, VALID), (715, request[715])]
    return body_of("AP", [*head, *_who(request), *fields])
