"""What notifications say: a title, a text, and the facts, for pages in other languages."""

from dataclasses import dataclass
from typing import Any

from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.portal.trading.orders import BUDGETS

EVENTS = ("order", "price", "risk", "login", "deposit", "withdrawal", "summary")
CHANNELS = ("app", "mail", "webhook", "push")
URGENT = frozenset({"login", "withdrawal", "risk", "test"})
"""Events that do not wait for the end of quiet hours."""
SIDES = {1: "buy", 2: "sell"}
STATES = {
    "FILLED": "filled",
    "PARTIALLY_FILLED": "partly filled",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "stopped from trading with yourself",
    "REJECTED": "refused",
}
AUDITED = {
    "login": "A login to your account",
    "refresh token used twice: session ended": "A session of your account was ended",
    "password reset": "Your password was reset",
    "password changed": "Your password was changed",
    "mail address changed": "Your mail address was changed",
    "authenticator added": "An authenticator was added",
    "authenticator removed": "Your authenticator was removed",
    "passkey added": "A passkey was added",
    "passkey removed": "A passkey was removed",
    "provider linked": "Another way to log in was added",
    "API key created": "An API key was created",
    "API key revoked": "An API key was revoked",
    "withdrawal asked for": "A withdrawal was requested",
    "withdrawal confirmed": "A withdrawal was confirmed",
    "withdrawal cancelled": "A withdrawal was cancelled",
    "withdrawal address asked for": "An address for withdrawals was requested",
    "withdrawal address added": "An address for withdrawals was added",
    "withdrawal address removed": "An address for withdrawals was removed",
    "frozen": "Your account was frozen",
    "unfrozen": "Your account is no longer frozen",
    "level changed": "Your level was changed",
    "support view": "The operator looks at your account",
}
"""Actions of the audit record that are news, with their titles."""
BACK = "The amount is in your balance again."
MOVES = {
    "see": ("A deposit was seen", "It is not in your balance yet."),
    "credit": ("A deposit was credited", "It is in your balance."),
    "reverse": ("A deposit was reversed", "It is no longer in your balance."),
    "request": ("A withdrawal was reserved", "It is not paid yet."),
    "approve": ("A withdrawal was approved", "It is paid next."),
    "send": ("A withdrawal was sent", "It can no longer be cancelled."),
    "finish": ("A withdrawal has arrived", "It is complete."),
    "cancel": ("A withdrawal was cancelled", BACK),
    "fail": ("A withdrawal has failed", BACK),
}
"""Title and text of each step."""
LEFT = ("A withdrawal has left", "It is no longer in your balance.")


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
        """Whether it is sent at once, also in the user's quiet hours."""
        return self.event in URGENT


def shortened(units: int, decimals: int) -> str:
    """An amount as people write it: without zeros at its end."""
    return trimmed(text_of(units, decimals))


def trimmed(shown: str) -> str:
    """A number without zeros at the end of its decimals."""
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def of_audit(number: int, action: str, address: str, detail: str) -> Notice | None:
    """None: it is no news."""
    title = AUDITED.get(action)
    if title is None:
        return None
    event = "withdrawal" if action.startswith("withdrawal") else "login"
    words = [f"from {address}" if address else "", detail]
    body = "; ".join(word for word in words if word)
    data = {"action": action, "address": address, "detail": detail}
    return Notice(f"a{number}", event, title, body, data)


def of_change(row: dict[str, Any], market: Market, journal: str) -> Notice | None:
    """Notice of a change of an order; None: the change is no news."""
    state = row["state"]
    if row["execution"] == "ELECTED":
        state, word = "ELECTED", "triggered"
    elif state in STATES and row["execution"] != "REDUCED":
        word = STATES[state]
    else:
        return None
    side = SIDES[row["side"]]
    quantity, done = market.quantity(row["lots"]), market.quantity(row["executed_lots"])
    whole, traded = trimmed(quantity), f"{trimmed(done)} of {trimmed(quantity)} {market.base}"
    if row["order_type"] in BUDGETS:
        # Its lots are the most that it may buy, not what was asked for.
        quantity, traded = done, f"{trimmed(done)} {market.base}"
        whole = f"for {trimmed(market.amount(row['aux']))} {market.quote}"
    data = {
        "order": row["number"],
        "client_order_id": row["client_id"],
        "symbol": market.symbol,
        "side": side,
        "state": state.lower(),
        "quantity": quantity,
        "filled_quantity": done,
        "price": market.price(row["price_ticks"]),
        "seq": row["seq"],
        "time_ms": row["at_ns"] // 1_000_000,
    }
    is_risk = state == "REJECTED" and row["is_risk"]
    title = f"{market.symbol}: your order to {side} {whole} is {word}"
    if state == "ELECTED":
        title = f"{market.symbol}: your stop order to {side} {whole} was triggered"
    body = f"Order {row['number']}: {traded} traded."
    if is_risk:
        body = f"Order {row['number']} was refused by a limit."
    event = "risk" if is_risk else "order"
    return Notice(f"{journal}-{row['event_seq']}-{row['number']}", event, title, body, data)


def of_movement(row: dict[str, Any], decimals: int, journal: str) -> Notice:
    """Notice of a step of a deposit or a withdrawal."""
    amount, kind = int(row["amount"]), row["kind"]
    title, body = MOVES.get(row["step"], ("", ""))
    if kind == "transfer":
        kind = "deposit" if amount >= 0 else "withdrawal"
        title, body = MOVES["credit"] if amount >= 0 else LEFT
    shown = text_of(abs(amount), decimals)
    data = {
        "number": row["number"],
        "step": row["step"],
        "asset": row["asset"],
        "amount": shown,
        "seq": row["seq"],
        "time_ms": row["at_ns"] // 1_000_000,
    }
    key = f"{journal}-{row['event_seq']}-m{row['part']}"
    told = f"{shortened(abs(amount), decimals)} {row['asset']}"
    return Notice(key, kind, f"{title}: {told}", body, data)


def of_withdrawal(row: dict[str, Any], decimals: int, what: str) -> Notice:
    """Notice of what custody has done with a withdrawal; ``what``: ``refused``, ``people`` or
    ``txid``."""
    shown = f"{shortened(row['amount'], decimals)} {row['asset']}"
    title, body = {
        "refused": (f"A withdrawal was refused: {shown}", row["detail"]),
        "people": (
            f"A withdrawal is waiting for approval: {shown}",
            "Two people must approve it first.",
        ),
        "txid": (f"A withdrawal is on its way: {shown}", f"Transaction {row['txid']}."),
    }[what]
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


def of_alert(row: dict[str, Any], market: Market, ticks: int, journal: str) -> Notice:
    """Notice of a price alert that a trade has met."""
    price, limit = market.price(ticks), market.price(row["price_ticks"])
    data = {
        "alert": row["id"],
        "symbol": market.symbol,
        "direction": row["direction"],
        "price": price,
        "limit": limit,
    }
    title = f"{market.symbol} trades at {trimmed(price)}"
    body = f"Your alert: at or {row['direction']} {trimmed(limit)}."
    return Notice(f"{journal}-alert{row['id']}", "price", title, body, data)


def of_summary(day: str, currency: str, shown: dict[str, str]) -> Notice:
    """``shown``: value, invested and gain as text."""
    title = f"Your portfolio is worth {shown['value']} {currency}"
    body = f"Put in: {shown['invested']} {currency}. Gain: {shown['gain']} {currency}."
    data = {"day": day, "currency": currency, **shown}
    return Notice(f"summary-{day}", "summary", title, body, data)
