"""Requests for quotes as FIX 4.4 says them.

The bodies of what a portal sends are made of the API's rows."""

from datetime import UTC, datetime
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.client.fix import FixMessage
from openoutcry.order_entry.fix.endpoint import body_of
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.wire import words

TAGS_OF_SIDES = {
    words.SIDES.say("/v1", side): word for side, word in words.SIDES.column("FIX").items()
}
SIDES = {word: side for side, word in TAGS_OF_SIDES.items()} | {"": "both"}
BUY, SELL = TAGS_OF_SIDES.values()
INDICATIVE, FIRM, LAST_LOOK = "0", "1", "2"
"""QuoteType (537); LAST_LOOK: "restricted tradeable", a firm quote whose maker looks again."""
ACCEPT, COUNTER, PASS = "1", "2", "6"
"""QuoteRespType (694)."""
UNKNOWN_SYMBOL, NO_MATCH, PASSED, OTHER = "1", "7", "10", "99"
"""QuoteRequestRejectReason (658)."""
TAKEN, WITHDRAWN, REJECTED = "0", "1", "5"
"""QuoteStatus (297)."""
LEG_TAGS = (600, 624, 687, 681, 684)
NO_SYMBOL = "[N/A]"
LIQUIDITY_PROVIDER = "35"
"""PartyRole (452) of makers."""
Fields = list[tuple[int, object]]


def time_text(ms: int) -> str:
    """A UTCTimestamp."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def seconds_until(text: str, now_ms: int) -> int:
    """Seconds, rounded up, to a UTCTimestamp.  Raises :class:`InvalidRequest`."""
    for form in ("%Y%m%d-%H:%M:%S", "%Y%m%d-%H:%M:%S.%f"):
        try:
            then = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return -int((now_ms - then.timestamp() * 1_000) // 1_000)
    raise InvalidRequest("62: a UTCTimestamp is expected")


def makers_of(message: FixMessage) -> list[int]:
    """The parties that are asked.  Raises :class:`InvalidRequest`."""
    named = [value for tag, value in message.fields if tag == 448]
    if not all(one.isdecimal() and len(one) <= 5 for one in named):
        raise InvalidRequest("448: a participant's number is expected")
    return [int(one) for one in named]


def side_of(text: str) -> str:
    """The API's word.  Raises :class:`InvalidRequest`."""
    if text not in SIDES:
        raise InvalidRequest("54: 1 or 2 is expected; none: both sides")
    return SIDES[text]


def legs_of(message: FixMessage) -> list[dict[int, str]]:
    """The fields of each leg.  Raises :class:`InvalidRequest` if their number is another one."""
    legs: list[dict[int, str]] = []
    for tag, value in message.fields:
        if tag == 600:
            legs.append({})
        if tag in LEG_TAGS and legs:
            legs[-1][tag] = value
    if str(len(legs)) != message.get(555, "0"):
        raise InvalidRequest("555: another number of legs follows")
    return legs


def legs_body(row: models.QuoteRequest, prices: dict[int, list[str]]) -> Fields:
    """The group of a row's legs, none of one instrument; ``prices``: of each, by their tag."""
    fields: Fields = [(555, len(row.legs))] if row.legs else []
    for place, leg in enumerate(row.legs):
        fields += [(600, leg.symbol), (624, TAGS_OF_SIDES[leg.side]), (687, leg.quantity)]
        fields += [(tag, given[place]) for tag, given in prices.items() if given]
    return fields


def symbol_of(row: models.QuoteRequest) -> str:
    """Symbol (55)."""
    return row.symbol or NO_SYMBOL


def request_body(row: models.QuoteRequest) -> bytes:
    """R to a maker."""
    fields: Fields = [(131, row.id), (146, 1), (55, symbol_of(row))]
    if row.side in TAGS_OF_SIDES:
        fields.append((54, TAGS_OF_SIDES[row.side]))
    fields += [(38, row.quantity), *legs_body(row, {}), (62, time_text(row.until_ms))]
    return body_of("R", fields)


def quote_body(row: models.QuoteRequest, name: str, quote: models.QuoteRow) -> bytes:
    """S to the client that named its request so."""
    kind = INDICATIVE if not quote.firm else LAST_LOOK if quote.last_look else FIRM
    fields: Fields = [(131, name), (117, quote.id), (537, kind), (453, 1), (448, quote.maker)]
    fields += [(447, "D"), (452, LIQUIDITY_PROVIDER), (55, symbol_of(row))]
    fields += legs_body(row, {681: quote.bids, 684: quote.asks})
    fields += [(tag, price) for tag, price in ((132, quote.bid), (133, quote.ask)) if price]
    sizes = ((134, quote.bid), (135, quote.ask))
    fields += [(tag, quote.quantity) for tag, price in sizes if price]
    return body_of("S", [*fields, (62, time_text(quote.until_ms))])


def cancel_body(name: object, quote: object) -> bytes:
    """Z: a quote is gone, or (``quote`` "*") to a maker: the request is over."""
    return body_of("Z", [(131, name), (117, quote), (298, "4" if quote == "*" else "1")])


def consent_body(row: models.QuoteRequest, response: str, name: str) -> bytes:
    """AJ to the maker whose consent is asked, for its quote of that name."""
    assert row.waits_side is not None
    (waiting,) = [quote for quote in row.quotes if quote.id == row.waits_for]
    fields: Fields = [(693, response), (117, name), (694, COUNTER if waiting.counter else ACCEPT)]
    fields += [(55, symbol_of(row)), (54, TAGS_OF_SIDES[row.waits_side]), (38, waiting.quantity)]
    return body_of("AJ", [*fields, (44, row.waits_price)])


def status_body(request: str, quote: str, status: str, why: str = "") -> bytes:
    """b: the answer to a maker's S or Z."""
    fields: Fields = [(131, request), (117, quote), (297, status)]
    return body_of("b", [*fields, *([(300, "99"), (58, why)] if why else [])])


def reject_body(name: str, symbol: str, reason: str, why: str) -> bytes:
    """AG: a request that was not taken, or has ended without a trade."""
    fields: Fields = [(131, name), (658, reason), (146, 1), (55, symbol or NO_SYMBOL), (58, why)]
    return body_of("AG", fields)


def trade_body(row: models.QuoteRequest, response: str, now_ms: int) -> bytes:
    """8: the trade as the venue has booked it, or refused it."""
    trade = row.trade
    assert trade is not None
    is_done = trade.state == "done"
    state = "F2" if is_done else "88" if trade.state == "refused" else "AA"
    filled, left = (trade.quantity, 0) if is_done else (0, 0 if state == "88" else trade.quantity)
    fields: Fields = [(37, f"rfq {row.id}"), (17, f"{row.id}-{trade.seq}"), (150, state[0])]
    fields += [(39, state[1]), *_answered(response), (55, symbol_of(row))]
    fields += [(54, TAGS_OF_SIDES[trade.side]), (38, trade.quantity), (44, trade.price)]
    if is_done:
        fields += [(32, trade.quantity), (31, trade.price), (30, "XOFF")]
        fields += [(442, "3"), *legs_body(row, {637: trade.prices})] if row.legs else []
    fields += [(151, left), (14, filled), (6, trade.price if is_done else 0)]
    fields += [(60, time_text(now_ms)), *([(58, trade.why)] if trade.why else [])]
    return body_of("8", fields)


def answer_body(
    response: str, number: object, symbol: str, side: str, state: str, why: str, now_ms: int
) -> bytes:
    """8: an acceptance that waits (``state`` "A") or was refused ("8")."""
    fields: Fields = [(37, f"rfq {number}"), (17, f"{number}-{response}-{state}")]
    fields += [(150, state), (39, state), *_answered(response), (55, symbol or NO_SYMBOL)]
    fields += [(54, side if side in (BUY, SELL) else "7"), (151, 0), (14, 0), (6, 0)]
    return body_of("8", [*fields, (60, time_text(now_ms)), (58, why)])


def _answered(response: str) -> Fields:
    return [(693, response)] if response else []


def business_reject(message: FixMessage, reason: int, why: str) -> bytes:
    """j: a message that cannot be read, or whose type is not taken."""
    fields: list[tuple[int, Any]] = [(45, message.sequence), (372, message.kind), (380, reason)]
    return body_of("j", [*fields, (58, why)])
