"""Positions in contracts as FIX 4.4 says them: RequestForPositions (AN), its acknowledgement (AO)
and a PositionReport (AP) for each contract.  A client sees its own alone."""

from collections.abc import Callable
from dataclasses import dataclass

from openoutcry.client.fix import FixMessage
from openoutcry.order_entry.fix.endpoint import body_of
from openoutcry.portal.trading.instruments import text_of
from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import LIVE
from openoutcry.risk.region import View
from openoutcry.venue.file import VenueFile

VALID, UNSUPPORTED, NONE, NOT_AUTHORISED = "0", "4", "2", "3"
"""PosReqResult (728)."""
COMPLETED, REJECTED = "0", "2"
"""PosReqStatus (729)."""
THEORETICAL = "2"
"""SettlPriceType (731): a mark."""
SNAPSHOT, POSITIONS = "0", "0"
"""SubscriptionRequestType (263) and PosReqType (724) that are answered."""
Fields = list[tuple[int, object]]
Source = Callable[[], View | None]


@dataclass
class Positions:
    """Answers requests for positions; ``view``: the risk state now."""

    file: VenueFile
    view: Source

    def answers(self, message: FixMessage, participant: int) -> list[bytes]:
        """The messages that answer an AN.  Raises :class:`KeyError` for a field that is missing."""
        name, account, day = message[710], message[1], message[715]
        kind, view = message[724], self.view()
        # Each is required.
        who: Fields = [(453, 1), (448, participant), (447, "D"), (452, 1), (1, account)]
        who.append((581, message[581]))
        message[60]
        if account != str(participant):
            why = f"account {account!r} is not this key's: {participant}"
            return [self._ack(name, who, NOT_AUTHORISED, 0, why)]
        if kind != POSITIONS or message.get(263, SNAPSHOT) != SNAPSHOT:
            return [self._ack(name, who, UNSUPPORTED, 0, "724=0 and 263=0 are answered")]
        held = [] if view is None else self._held(view, participant)
        if not held:
            return [self._ack(name, who, NONE, 0, "no position in a contract")]
        reports = [
            self._report(f"{name}-{number}", name, who, day, len(held), fields)
            for number, fields in enumerate(held, 1)
        ]
        return [self._ack(name, who, VALID, len(held)), *reports]

    def _ack(self, name: str, who: Fields, result: str, count: int, why: str = "") -> bytes:
        status = REJECTED if result in (UNSUPPORTED, NOT_AUTHORISED) else COMPLETED
        fields: Fields = [(721, name), (710, name), (727, count), (728, result), (729, status)]
        return body_of("AO", [*fields, *who, *([(58, why)] if why else [])])

    def _report(
        self, number: str, name: str, who: Fields, day: str, count: int, fields: Fields
    ) -> bytes:
        head: Fields = [(721, number), (710, name), (724, POSITIONS), (727, count), (728, VALID)]
        return body_of("AP", [*head, (715, day), *who, *fields])

    def _held(self, view: View, participant: int) -> list[Fields]:
        """Of each position: symbol, mark, the last settlement price, lots, and the gain since it
        was taken."""
        contracts, rows = view.contracts, list[Fields]()
        if contracts is None:
            return rows
        for place, symbol in enumerate(self.file.symbols):
            lots = view.cell(participant, place, lay.POSITION)
            if place not in contracts.number or not lots or contracts.of(place, "state") != LIVE:
                continue
            asset = self.file.risk.contracts[symbol].contract.asset
            money, ticks = self.file.risk.money.assets[asset], contracts.of(place, "mark")
            prior = contracts.of(place, "settlement") if contracts.of(place, "day") else ticks
            gain = lots * contracts.value(place, ticks) - view.cell(participant, place, lay.MARK)
            decimals = self.file.sessions.price_decimals[symbol]
            rows.append(
                [
                    *((55, symbol), (15, asset)),
                    *((730, text_of(ticks, decimals)), (731, THEORETICAL)),
                    *((734, text_of(prior, decimals)), (702, 1), (703, "TQ")),
                    (704, lots) if lots > 0 else (705, -lots),
                    *((753, 1), (707, "FMTM"), (708, text_of(gain, money))),
                ]
            )
        return rows
