"""Best execution of a parent: what the market offered, what was paid, and what came afterwards."""

from datetime import UTC, datetime
from typing import Any

from openoutcry.report.page import render_page
from openoutcry.routing.instruments import PART, Market, name_of_side
from openoutcry.routing.parents import Child, Parent
from openoutcry.wire.decimals import decimal_text

MARKOUT = "markout_"


def best_execution(market: Market, parent: Parent) -> dict[str, Any]:
    """The report of a parent.  Prices and quantities are decimal text; slippage and markouts are
    millionths of the arrival price, positive where they are bad for the client."""
    instrument, side = market.instrument, parent.terms.side
    arrival = parent.noted("arrival") or {}
    filled, notional = parent.filled, sum(child.notional for child in parent.children)
    fees = sum(_fees(market, child) for child in parent.children)
    estimate = arrival.get("notional", 0), arrival.get("filled", 0)
    mid2 = arrival.get("mid2")
    result: dict[str, Any] = {
        "parent": parent.number,
        "received": _utc_text(parent.terms.created_ns),
        "symbol": instrument.symbol,
        "side": name_of_side(side),
        "quantity": instrument.quantity_text(parent.quantity),
        "limit": instrument.price_text(parent.limit) if parent.limit else "market",
        "style": parent.terms.style,
        "algorithm": parent.terms.algorithm.get("name", ""),
        "state": parent.state,
        "end": parent.noted("end") or "",
        "filled": instrument.quantity_text(filled),
        "average_price": _average(market, notional, filled),
        "fees": _money(market, fees),
        "arrival": {
            "mid": _half(market, mid2),
            "available_price": _average(market, *estimate),
            "available_quantity": instrument.quantity_text(estimate[1]),
            "estimated_fees": _money(market, arrival.get("fees", 0)),
            "venues": {
                name: instrument.quantity_text(quantity)
                for name, quantity in arrival.get("venues", {}).items()
            },
            "status": arrival.get("status", {}),
        },
        "slippage_ppm": _away(side, mid2, notional, filled),
        "slippage_to_available_ppm": _against(side, estimate, (notional, filled)),
        "children": [_child(market, child) for child in parent.children],
        "markouts_ppm": {},
    }
    for _, kind, later2 in parent.notes:
        if kind.startswith(MARKOUT) and filled:
            # What the price did after the fills: a fall after a purchase is bad.
            result["markouts_ppm"][kind.removeprefix(MARKOUT)] = _against(
                side, (later2, 2), (notional, filled)
            )
    return result


def _utc_text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000 / 1_000, UTC).isoformat(" ", "milliseconds")


def _fees(market: Market, child: Child) -> int:
    """Fees of a child by the venue's schedule, in millionths of price times quantity."""
    venue = market.venues[market.number(child.venue)]
    rate = venue.taker_ppm if child.order.is_ioc else venue.maker_ppm
    return child.notional * rate + (venue.order_fee * PART if child.filled else 0)


def _child(market: Market, child: Child) -> dict[str, Any]:
    instrument = market.instrument
    first_ns = child.fills[0][0] if child.fills else child.answered_ns
    return {
        "venue": child.venue,
        "token": child.order.token,
        "quantity": instrument.quantity_text(child.order.quantity),
        "limit": instrument.price_text(child.order.price),
        "immediate": child.order.is_ioc,
        "state": child.state,
        "reason": child.reason,
        "filled": instrument.quantity_text(child.filled),
        "average_price": _average(market, child.notional, child.filled),
        "fees": _money(market, _fees(market, child)),
        "sent_ns": child.sent_ns,
        "answer_us": max(0, first_ns - child.sent_ns) // 1_000 if first_ns else None,
    }


def _average(market: Market, notional: int, filled: int) -> str:
    return market.instrument.price_text(_rounded(notional, filled)) if filled else ""


def _half(market: Market, mid2: int | None) -> str:
    """Half of a doubled price, with one decimal more."""
    if mid2 is None:
        return ""
    return f"{market.instrument.price_text(mid2 // 2)}{'5' if mid2 % 2 else '0'}"


def _money(market: Market, millionths: int) -> str:
    """An amount of the quote asset, rounded to the decimals of a price times a quantity."""
    one = market.instrument
    units = _rounded(millionths, PART * 10**one.quantity_decimals)
    return decimal_text(units, one.price_decimals)


def _rounded(value: int, unit: int) -> int:
    """The nearest whole number of units; a half is away from nought."""
    whole = (2 * abs(value) + unit) // (2 * unit)
    return whole if value >= 0 else -whole


def _away(side: int, mid2: int | None, notional: int, filled: int) -> int | None:
    return _against(side, (mid2, 2), (notional, filled)) if mid2 else None


def _against(side: int, was: tuple[int, int], now: tuple[int, int]) -> int | None:
    """Return how much worse the second average (notional, quantity) is than the first, in
    millionths."""
    if not was[0] or not was[1] or not now[1]:
        return None
    return side * ((now[0] * was[1] - was[0] * now[1]) * PART // (was[0] * now[1]))


def render(report: dict[str, Any]) -> str:
    """The report as a page."""
    return render_page("route_report.html", {}, report=report)
