"""What notifications say: a title and a text in the user's language, and the facts for programs.

Amounts are the same in every language: with a decimal point and without groups.
"""

import re
from dataclasses import dataclass
from typing import Any

from openoutcry.ledger.books import MARGIN
from openoutcry.portal.notices.texts import DEFAULT, TABLES, said
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.portal.trading.reject import OF_REASONS
from openoutcry.wire.enums import Reason
from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.order_types import BUDGETS, STOPS

EVENTS = (
    *("order", "price", "risk", "login", "deposit", "withdrawal", "summary"),
    *("margin", "contract", "funding", "market", "news"),
)
MARKET, NEWS = "market", "news"
"""Events of announcements: what became of an instrument, and what an operator has written."""
CHANNELS = ("app", "mail", "webhook", "push")
URGENT = frozenset({"login", "withdrawal", "risk", "margin", "test"})
"""Events that do not wait for the end of quiet hours."""
SIDES = {1: "buy", 2: "sell"}
SILENT = ("REDUCED", "CONVERTED")
"""Executions that are no news."""
STATES, AUDITED = (
    frozenset(key.removeprefix(group) for key in TABLES[DEFAULT] if key.startswith(group))
    for group in ("state.", "did.")
)
"""States of orders, and actions of the audit record, that are news."""
OF_CONTRACTS = {
    "funding": "funding",
    "settled": "contract",
    "adjusted": "contract",
    "broken": "order",
    "taken_over": "margin",
}
"""Of what names a contract, the event of its notice."""
NEW_KEY, PERMISSION = "API key created", re.compile(r"\b(?:read|trade|withdraw)\b")
"""The action whose detail lists what a key may do."""
OPERATOR = "operator"
"""What the audit record has for an address where the operator acted."""
NUMBERED = re.compile(r"^(?:withdrawal|key|level)(?= \d)")
"""How the detail of an action may begin; the rest is a name, a number or what a person wrote."""


@dataclass(frozen=True)
class Notice:
    """``key`` is its id: the same however often it is made."""

    key: str
    event: str
    title: str
    body: str
    data: dict[str, Any]

    @property
    def is_urgent(self) -> bool:
        """Return whether it is sent at once, also in the user's quiet hours."""
        return self.event in URGENT


def shortened(units: int, decimals: int) -> str:
    """An amount as people write it: without zeros at its end."""
    return trimmed(text_of(units, decimals))


def trimmed(shown: str) -> str:
    """A number without zeros at the end of its decimals."""
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def of_audit(number: int, action: str, address: str, detail: str, language: str) -> Notice | None:
    """None: it is no news."""
    if action not in AUDITED:
        return None
    event = "withdrawal" if action.startswith("withdrawal") else "login"
    title = said(language, f"did.{action}")
    shown = NUMBERED.sub(lambda found: said(language, f"detail.{found[0]}"), detail)
    if action == NEW_KEY:
        shown = PERMISSION.sub(lambda found: said(language, f"permission.{found[0]}"), shown)
    words = [_from(address, language), shown]
    body = "; ".join(word for word in words if word)
    data = {"action": action, "address": address, "detail": detail}
    return Notice(f"a{number}", event, title, body, data)


def _from(address: str, language: str) -> str:
    if address == OPERATOR:
        return said(language, "from.operator")
    return said(language, "from", address=address) if address else ""


def of_change(row: dict[str, Any], market: Market, journal: str, language: str) -> Notice | None:
    """Notice of a change of an order; None: the change is no news."""
    state = "ELECTED" if row["execution"] == "ELECTED" else row["state"]
    if state == "ELECTED" and row["order_type"] not in STOPS:
        return None  # an order of a list enters the book
    if state != "ELECTED" and (state not in STATES or row["execution"] in SILENT):
        return None
    side = SIDES[row["side"]]
    quantity, done = market.quantity(row["lots"]), market.quantity(row["executed_lots"])
    named = {"number": row["number"], "symbol": market.symbol, "asset": market.base}
    named |= {"quantity": trimmed(quantity), "done": trimmed(done), "average": ""}
    average = average_of(row, market)
    if average is not None:
        named["average"] = said(language, "order.average", price=average)
    what, body = said(language, "order.lots", **named), said(language, "order.traded", **named)
    if row["order_type"] in BUDGETS:
        # Its lots are the most that it may buy, not what was asked for.
        quantity, budget = done, f"{trimmed(market.amount(row['aux']))} {market.quote}"
        what = said(language, "order.budget", budget=budget)
        body = said(language, "order.bought", **named)
    data = {
        "order": row["number"],
        "client_order_id": row["client_id"],
        "symbol": market.symbol,
        "side": side,
        "state": state.lower(),
        "quantity": quantity,
        "filled_quantity": done,
        "price": market.price(row["price_ticks"]),
        "average_price": average,
        "seq": row["seq"],
        "time_ms": row["at_ns"] // 1_000_000,
    }
    is_risk = state == "REJECTED" and row["is_risk"]
    if is_risk:
        body = said(language, "order.limited", **named)
    elif state == "REJECTED":
        why = said(language, f"refused.{OF_REASONS[Reason(row['reason'])]}")
        body = said(language, "order.refused", why=why, **named)
    named |= {"side": said(language, f"side.{side}"), "what": what}
    is_liquidation = VENUE_ORDER_IDS <= row["core_id"] < SESSION_ORDER_IDS
    if is_liquidation:
        shown = said(language, f"state.{state}")
        title = said(language, "order.liquidation", state=shown, **named)
        body = f"{said(language, 'order.liquidation.text')} {body}"
    elif state == "ELECTED":
        title = said(language, "order.triggered", **named)
    else:
        title = said(language, "order", state=said(language, f"state.{state}"), **named)
    event = "margin" if is_liquidation else "risk" if is_risk else "order"
    return Notice(f"{journal}-{row['event_seq']}-{row['number']}", event, title, body, data)


def average_of(row: dict[str, Any], market: Market) -> str | None:
    """Return the average price of what a change says was traded; None: nothing was, or the order
    is known with later trades alone."""
    lots = row["executed_lots"]
    if not lots or row["traded_lots"] != lots:
        return None
    return market.average(row["executed_tick_lots"], lots)


def of_movement(row: dict[str, Any], decimals: int, journal: str, language: str) -> Notice:
    """Notice of a step of a deposit or a withdrawal."""
    amount, kind, step = int(row["amount"]), row["kind"], row["step"]
    if kind == "transfer":
        kind, step = ("deposit", "credit") if amount >= 0 else ("withdrawal", "left")
    data = {
        "number": row["number"],
        "step": row["step"],
        "asset": row["asset"],
        "amount": text_of(abs(amount), decimals),
        "seq": row["seq"],
        "time_ms": row["at_ns"] // 1_000_000,
    }
    shown = f"{shortened(abs(amount), decimals)} {row['asset']}"
    title, body = said(language, f"move.{step}"), said(language, f"move.{step}.text")
    key = f"{journal}-{row['event_seq']}-m{row['part']}"
    return Notice(key, kind, f"{title}: {shown}", body, data)


def of_account_event(
    row: dict[str, Any], market: Market | None, decimals: int, journal: str, language: str
) -> Notice:
    """Notice of what became of a position or of collateral without an order: a row of
    ``history.account_events``.  ``market``: None for money alone."""
    kind, lots, paid = row["kind"], row["lots"], int(row["paid"])
    asset = row["asset"].removesuffix(MARGIN)
    way = "paid" if paid < 0 else "received"
    if kind == "taken_over":
        way = "given" if lots < 0 else "got"
    named = {
        "amount": f"{shortened(abs(paid), decimals)} {asset}",
        "symbol": market.symbol if market is not None else "",
        "lots": abs(lots),
        "price": trimmed(market.price(row["price_ticks"])) if market is not None else "",
    }
    data = {
        "kind": kind,
        "asset": asset,
        "paid": text_of(paid, decimals),
        "seq": row["seq"],
        "time_ms": row["at_ns"] // 1_000_000,
    }
    if market is not None and kind in OF_CONTRACTS:
        data |= {"symbol": market.symbol, "lots": lots, "price": market.price(row["price_ticks"])}
    title = said(language, f"event.{kind}", **named)
    body = said(language, f"event.{kind}.{way}.text", **named)
    key = f"{journal}-{row['event_seq']}-e{row['part']}"
    return Notice(key, OF_CONTRACTS.get(kind, "margin"), title, body, data)


def of_withdrawal(row: dict[str, Any], decimals: int, what: str, language: str) -> Notice:
    """Notice of what custody has done with a withdrawal; ``what``: ``refused``, ``people`` or
    ``txid``."""
    shown = f"{shortened(row['amount'], decimals)} {row['asset']}"
    title = f"{said(language, f'withdrawal.{what}')}: {shown}"
    why = TABLES[language].get(f"why.{row['code']}", row["detail"])
    body = said(language, f"withdrawal.{what}.text", detail=why, txid=row["txid"])
    data = {
        "withdrawal": row["id"],
        "asset": row["asset"],
        "amount": text_of(row["amount"], decimals),
        "state": row["state"],
        "txid": row["txid"],
        "address": row["address"],
    }
    name = f"{what} {row['txid'][:20]}" if what == "txid" else what
    return Notice(f"w{row['id']}-{name}", "withdrawal", title, body, data)


def of_alert(
    row: dict[str, Any], market: Market, ticks: int, journal: str, language: str
) -> Notice:
    """Notice of a price alert that a trade has met."""
    price, limit = market.price(ticks), market.price(row["price_ticks"])
    data = {
        "alert": row["id"],
        "symbol": market.symbol,
        "direction": row["direction"],
        "price": price,
        "limit": limit,
    }
    title = said(language, "alert", symbol=market.symbol, price=trimmed(price))
    body = said(language, f"alert.{row['direction']}", limit=trimmed(limit))
    return Notice(f"{journal}-alert{row['id']}", "price", title, body, data)


def of_margin_level(
    key: str, level: int, amounts: tuple[int, int], asset: str, decimals: int, language: str
) -> Notice:
    """Notice of a margin that has reached a level, in percent; ``amounts``: maintenance margin and
    means, in units of the asset."""
    maintenance, means = (text_of(units, decimals) for units in amounts)
    shown = {"maintenance": f"{trimmed(maintenance)} {asset}", "means": f"{trimmed(means)} {asset}"}
    title = said(language, "margin.level", level=level)
    body = said(language, "margin.level.text", **shown)
    data = {"level": level, "asset": asset, "maintenance": maintenance, "means": means}
    return Notice(key, "margin", title, body, data)


def of_summary(day: str, currency: str, shown: dict[str, str], language: str) -> Notice:
    """``shown``: value, invested and gain as text."""
    named = {name: f"{amount} {currency}" for name, amount in shown.items()}
    title, body = said(language, "summary", **named), said(language, "summary.text", **named)
    data = {"day": day, "currency": currency, **shown}
    return Notice(f"summary-{day}", "summary", title, body, data)


def announced(row: dict[str, Any], language: str) -> tuple[str, str]:
    """Title and text of an announcement."""
    if row["kind"] != MARKET:
        return row["title"], row["body"]
    state = row["title"]
    title = said(language, f"market.{state}", symbol=row["symbol"])
    return title, said(language, f"market.{state}.text")


def of_announcement(row: dict[str, Any], language: str) -> Notice:
    """Notice of an announcement."""
    title, body = announced(row, language)
    data = {"announcement": row["id"], "kind": row["kind"], "symbol": row["symbol"]}
    if row["kind"] == MARKET:
        data["state"] = row["title"]
    for name in ("begins_at", "ends_at"):
        data[name] = row[name].isoformat() if row[name] else None
    event = MARKET if row["kind"] == MARKET else NEWS
    return Notice(f"announcement{row['id']}", event, title, body, data)


def of_test(key: str, language: str) -> Notice:
    """Notice with which a user tries the webhook."""
    return Notice(key, "test", said(language, "test"), said(language, "test.text"), {})
