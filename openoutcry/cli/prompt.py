"""The commands that ``outcry client`` reads, over OUCH and over FIX."""

import contextlib
import re
from dataclasses import dataclass
from typing import Any

import click

from openoutcry.cli.order_forms import (
    FORMS,
    Form,
    fix_fields,
    ouch_fields,
    read_form,
    shm_aux,
    shm_terms,
    signed,
)
from openoutcry.client import ClientError, FixClient, FixMessage, SessionEnded
from openoutcry.client.fix import FixLeg
from openoutcry.client.shm import ShmClient, ShmMessage, ShmOrder, ShmQuote
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.wire.enums import MAX_LEGS, MIN_LEGS, Contingency, Side, TimeInForce
from openoutcry.wire.text import printable
from openoutcry.wire.words import SIDES, name_of

HELP = f"""buy SYMBOL QTY PRICE [WORD…]   sell SYMBOL QTY PRICE [WORD…]
{FORMS}
replace ORDER QTY PRICE        QTY with what the order has executed
cancel ORDER [QTY]             QTY to leave, with what it has executed; none: cancel
list KIND SYMBOL ORDER / ORDER…  linked orders, each SIDE QTY PRICE [WORD…]; not over OUCH
  KIND is oco, ouo, oto, otoco or otouo; SIDE is buy or sell
cancel-list LIST               all orders of a list; not over OUCH
list-status LIST               what the venue says of a list; over FIX
modify ORDER SIDE QTY          another kind of sale (S, T, E), or less quantity; not over FIX
mass-cancel [SYMBOL]           all orders of the participant; not over OUCH 4.2
quote SYMBOL QTY BID QTY OFFER [WORD…]   both sides at once, 0 0: none; WORDs: post-only gtc
quote-cancel [SYMBOL]          the session's quotes; both over shared memory
status [ORDER]                 what the venue says of one order, or of all; over FIX
disable   enable   query       order entry off and on, the next UserRefNum; over OUCH 5.0
orders                         what is open
wait [SECONDS]   listen        what comes for so long, or until it is interrupted
quit"""
SETTLE_S = 0.2
"""How long answers are waited for before the next command is asked for."""
USAGES = {
    "buy": "buy SYMBOL QTY PRICE [WORD…]",
    "sell": "sell SYMBOL QTY PRICE [WORD…]",
    "replace": "replace ORDER QTY PRICE",
    "cancel": "cancel ORDER [QTY]",
    "list": "list KIND SYMBOL SIDE QTY PRICE [WORD…]",
    "cancel-list": "cancel-list LIST",
    "list-status": "list-status LIST",
    "modify": "modify ORDER SIDE QTY",
    "mass-cancel": "mass-cancel [SYMBOL]",
    "quote": "quote SYMBOL BID_QTY BID OFFER_QTY OFFER [WORD…]",
    "quote-cancel": "quote-cancel [SYMBOL]",
    "status": "status [ORDER]",
    "disable": "disable",
    "enable": "enable",
    "query": "query",
    "orders": "orders",
    "wait": "wait [SECONDS]",
    "listen": "listen",
    "help": "help",
    "quit": "quit",
    "exit": "exit",
}
"""Each command and its words; those in brackets may be left out, and … is for any number."""
MAX_WAIT_S = 86_400
NO_NEWS = (
    *(Reply.DELAYED, Reply.MASS_CANCELED, Reply.QUOTES_CANCELED),
    *(Reply.OFF_BOOK, Reply.BROKEN),
)
"""Replies that change no open order."""
FIRST_QUOTE = 1 << 40
"""Names of quotes over shared memory are numbers above this one."""


@dataclass(frozen=True)
class Leg:
    """An order of a list."""

    side: Side
    symbol: str
    quantity: int
    price: str
    form: Form


class Prompt:
    """Implementation of the commands."""

    help = HELP

    def __init__(self, session: Any, hears_all: bool = True) -> None:
        """``hears_all``: the login asked for the stream from its begin."""
        self.session = session
        self.hears_all = hears_all
        self.open: dict[str, dict[str, Any]] = {}
        """By name: side, symbol, price, and what is open."""
        self.unanswered: dict[str, dict[str, Any]] = {}
        """Orders and replaces that the venue has not answered yet, by name: side and symbol."""
        self.used = 0
        self.heard = 0
        """Messages that were printed."""

    def do(self, words: list[str]) -> bool:
        """One command; false when it was the last."""
        if not words:
            self.listen(SETTLE_S)
            return True
        command, arguments = words[0], words[1:]
        try:
            check_words(command, arguments)
            if command in ("quit", "exit"):
                return False
            self._do(command, arguments)
        except SessionEnded:
            raise
        except (ClientError, ValueError) as error:
            click.echo(f"{printable(' '.join(words))}: {printable(str(error))} (try help)")
        return True

    def _do(self, command: str, arguments: list[str]) -> None:
        if command in ("buy", "sell"):
            symbol, quantity, price, *more = arguments
            form = read_form(price, more)
            name = self.enter(command, symbol, whole_number(quantity, 1), price, form)
            click.echo(f"order {name}")
        elif command == "replace":
            order, quantity, price = arguments
            name = self.replace(self._open(order), whole_number(quantity, 1), price)
            click.echo(f"order {name}")
        elif command == "cancel":
            order, *more = arguments
            self.cancel(self._open(order), *(whole_number(quantity) for quantity in more))
        elif command == "list":
            kind, symbol, *rest = arguments
            name = self.enter_list(contingency_of(kind), legs_of(symbol, rest))
            click.echo(f"list {name}")
        elif command == "cancel-list":
            self.cancel_list(*arguments)
        elif command == "list-status":
            self.list_status(*arguments)
        elif command == "modify":
            order, side, quantity = arguments
            self.modify(self._open(order), side.upper(), whole_number(quantity, 1))
        elif command == "mass-cancel":
            self.mass_cancel(*arguments)
        elif command == "quote":
            self.quote(*arguments)
        elif command == "quote-cancel":
            self.cancel_quotes(*arguments)
        elif command == "status":
            self.status(*arguments)
        elif command in ("disable", "enable", "query"):
            self.switch(command)
        elif command == "orders":
            self.listen(SETTLE_S)
            for open_name, terms in self.open.items():
                words = (f"{key}={value}" for key, value in terms.items())
                click.echo(f"{open_name} {' '.join(words)}")
            return
        elif command == "wait":
            self.listen(seconds(arguments[0]) if arguments else 1.0)
            return
        elif command == "listen":
            with contextlib.suppress(KeyboardInterrupt):
                self.listen(None)
            return
        elif command == "help":
            click.echo(self.help)
            return
        self.listen(SETTLE_S)

    def enter(self, what: str, symbol: str, quantity: int, price: str, form: Form) -> str | int:
        """Enter an order, with the price ``market`` one without a price; its name.

        ``what``: buy or sell.  Raises ``ValueError`` for a wrong price, and for a form that the
        protocol cannot say."""
        side = SIDES.say("OUCH 4.2", Side[what.upper()])
        fields = ouch_fields(form, self.session.is_50)
        name = self._named(self.session.enter, side, symbol, quantity, price, **fields)
        self.unanswered[str(name)] = {"side": side, "symbol": symbol}
        return name

    def replace(self, order: str, quantity: int, price: str) -> str | int:
        """Replace an open order by another quantity and price; the new order's name."""
        name = self._named(self.session.replace, self._order(order), quantity, price)
        self.unanswered[str(name)] = self._terms(order)
        return name

    def cancel(self, order: str, quantity: int = 0) -> None:
        """Cancel an open order, or leave it ``quantity`` lots with those that it has executed."""
        self.session.cancel(self._order(order), quantity)

    def enter_list(self, contingency: Contingency, legs: list[Leg]) -> str:
        """Enter a list of orders; its name.  Raises ``ValueError`` in a protocol without lists, and
        for a form that the protocol cannot say."""
        raise ValueError("OUCH has no lists of orders")

    def cancel_list(self, name: str) -> None:
        """Cancel the orders of a list."""
        raise ValueError("OUCH has no lists of orders")

    def list_status(self, name: str) -> None:
        """Ask for the state of a list.  Raises ``ValueError`` in a protocol without such a
        request."""
        raise ValueError("only FIX reports the state of a list")

    def modify(self, order: str, side: str, quantity: int) -> None:
        """Change the kind of a sale (S, T or E), or reduce an order.  Raises ``ValueError`` for
        another side."""
        if side not in ("B", "S", "T", "E"):
            raise ValueError(f"side {side!r} is not B, S, T or E")
        self.session.modify(self._order(order), side, quantity)

    def mass_cancel(self, symbol: str = "") -> None:
        """Cancel every open order of the participant, or those of one instrument."""
        self._named(self.session.mass_cancel, symbol)

    def quote(self, symbol: str, *words: str) -> None:
        """Replace both sides of an instrument.  Raises ``ValueError`` where there are no quotes."""
        raise ValueError("quotes need shared memory")

    def cancel_quotes(self, symbol: str = "") -> None:
        """Cancel the session's quotes, or that of one instrument.  Raises as :meth:`quote`."""
        raise ValueError("quotes need shared memory")

    def status(self, order: str = "") -> None:
        """Ask for an order's state.  Raises ``ValueError`` in a protocol without such a request."""
        raise ValueError("OUCH reports an order's state only when it changes; see `orders`")

    def switch(self, what: str) -> None:
        """Disable or enable the entry of orders, or query the session's account."""
        if what == "query":
            self.session.query()
        else:
            self._named(self.session.switch_entry, what == "enable")

    def _open(self, order: str) -> str:
        """Raises ``ValueError`` unless the order is open, as far as this session has heard, or not
        answered yet."""
        if order not in self.open and order not in self.unanswered:
            of_all = "" if self.hears_all else " that this login has heard of"
            raise ValueError(f"{order} is not an open order{of_all}; see `orders`")
        return order

    def _terms(self, order: str) -> dict[str, Any]:
        """Side and symbol, among others, of an order that :meth:`_open` lets pass."""
        return self.open[order] if order in self.open else self.unanswered[order]

    def _order(self, text: str) -> str | int:
        return int(text) if self.session.is_50 else text

    def _named(self, say: Any, *terms: Any, **more: Any) -> str | int:
        """Say something under a name that the stream has not shown yet: an earlier run may have
        used the first ones.  What cannot be said uses up no name."""
        number = self.used + 1
        name = number if self.session.is_50 else f"{self.session.prefix}{number}"
        said: str | int = say(*terms, name=name, **more)
        self.used = number
        return name if said is None else said

    def look(self) -> bool:
        """Print what has come while nothing was typed; whether there was anything.  The session is
        kept alive."""
        before = self.heard
        self.listen(0)
        return self.heard > before

    def listen(self, timeout_s: float | None) -> None:
        """Print messages until none has come for that long (None: without end), and keep the open
        orders."""
        for message in self.session.messages(timeout_s):
            self.heard += 1
            click.echo(printable(str(message)))
            self.keep(message)

    def keep(self, message: Any) -> None:
        """Update the open orders after this message."""
        kind, fields = message.kind, message.fields
        name = str(fields.get("token", fields.get("user_ref", "")))
        size = fields.get("shares", fields.get("quantity", 0))
        digits = name.removeprefix(self.session.prefix)
        if digits.isdigit():
            self.used = max(self.used, int(digits))
        if kind in "AUJ":
            self.unanswered.pop(name, None)
        if kind in "AU":
            before = fields.get("previous_token", fields.get("orig_user_ref"))
            if before is not None:
                self.open.pop(str(before), None)
            if fields.get("state", "L") == "D":
                return
            kept = {key: fields[key] for key in ("side", "symbol")}
            self.open[name] = kept | {"open": size, "price": f"{fields['price'] / 10_000:.4f}"}
        elif kind == "M" and name in self.open:
            self.open[name]["open"] = size
        elif kind in "ECD" and name in self.open:
            self.open[name]["open"] -= size
            if self.open[name]["open"] <= 0:
                del self.open[name]


def check_words(command: str, arguments: list[str]) -> None:
    """Raises ``ValueError`` for a command that there is not, and for more or fewer words than it
    has."""
    if command not in USAGES:
        raise ValueError("there is no such command")
    usage = USAGES[command]
    _, *names = usage.split()
    least = sum(not name.startswith("[") for name in names)
    if len(arguments) < least:
        raise ValueError(f"{names[len(arguments)]} is missing: {usage}")
    if len(arguments) > len(names) and not usage.endswith("…]"):
        raise ValueError(f"{arguments[len(names)]!r} is one word too many: {usage}")


def contingency_of(word: str) -> Contingency:
    """Raises ``ValueError`` for a kind of list that there is not."""
    kinds = {name_of(kind).lower(): kind for kind in Contingency}
    if word not in kinds:
        raise ValueError(f"{word!r} is no kind of list: {', '.join(kinds)}")
    return kinds[word]


def legs_of(symbol: str, words: list[str]) -> list[Leg]:
    """Return the orders of a list in ``symbol``, which a / separates.  Raises ``ValueError`` for
    anything else."""
    legs, parts = [], " ".join(words).split(" / ")
    if not MIN_LEGS <= len(parts) <= MAX_LEGS:
        raise ValueError(f"a list has {MIN_LEGS} to {MAX_LEGS} orders, with a / between them")
    for part in parts:
        side, *terms = part.split()
        if side not in ("buy", "sell") or len(terms) < 2:
            raise ValueError(f"{part!r} is not SIDE QTY PRICE [WORD…]")
        quantity, price, *more = terms
        form = read_form(price, more)
        if form.has_trigger or form.expires_by_term:
            raise ValueError(f"{part!r}: an order of a list has no other term")
        legs.append(Leg(Side[side.upper()], symbol, whole_number(quantity, 1), price, form))
    return legs


def whole_number(text: str, least: int = 0) -> int:
    """Raises ``ValueError`` for anything but plain digits."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < least:
        raise ValueError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def seconds(text: str) -> float:
    """Raises ``ValueError`` for anything else."""
    if not re.fullmatch(r"\d{1,5}(\.\d+)?", text, re.ASCII) or float(text) > MAX_WAIT_S:
        raise ValueError(f"{text!r} is not a number of seconds up to {MAX_WAIT_S}")
    return float(text)


class FixPrompt(Prompt):
    """The same over FIX."""

    help = f"{HELP}\n(over FIX a cancel is of the whole order)"
    session: FixClient

    def enter(self, what: str, symbol: str, quantity: int, price: str, form: Form) -> str:
        fields = fix_fields(form, Side[what.upper()])
        side = SIDES.say("FIX", Side[what.upper()])
        name = self.session.enter(side, symbol, quantity, price, **fields)
        self.unanswered[name] = {"side": side, "symbol": symbol}
        return name

    def replace(self, order: str, quantity: int, price: str) -> str:
        terms = self._terms(order)
        name = self.session.replace(order, terms["symbol"], terms["side"], quantity, price)
        self.unanswered[name] = terms
        return name

    def cancel(self, order: str, quantity: int = 0) -> None:
        if quantity:
            raise ValueError("FIX cancels the whole order; replace it to reduce it")
        terms = self._terms(order)
        self.session.cancel(order, terms["symbol"], terms["side"])

    def enter_list(self, contingency: Contingency, legs: list[Leg]) -> str:
        return self.session.enter_list(
            contingency,
            [
                FixLeg(
                    SIDES.say("FIX", leg.side),
                    leg.symbol,
                    leg.quantity,
                    leg.price,
                    more=fix_fields(leg.form, leg.side),
                )
                for leg in legs
            ],
        )

    def cancel_list(self, name: str) -> None:
        self.session.cancel_list(name)

    def list_status(self, name: str) -> None:
        self.session.list_status(name)

    def modify(self, order: str, side: str, quantity: int) -> None:
        raise ValueError("FIX has no modify; replace the order")

    def mass_cancel(self, symbol: str = "") -> None:
        self.session.mass_cancel(symbol)

    def status(self, order: str = "") -> None:
        if not order:
            self.session.mass_status()
            return
        terms = self._terms(self._open(order))
        self.session.status(order, terms["symbol"], terms["side"])

    def switch(self, what: str) -> None:
        raise ValueError(f"{what} needs OUCH 5.0")

    def keep(self, message: FixMessage) -> None:
        """Bring the list of open orders up to date with an answer of the venue."""
        self.unanswered.pop(message.get(11), None)
        if message.kind != "8" or message.get(39) == "8":
            return
        name, before, leaves = message.get(11), message.get(41), int(message.get(151) or 0)
        self.open.pop(before, None)
        if leaves == 0:
            self.open.pop(name, None)
            return
        price = message.get(44) or "market"
        self.open[name] = {
            "side": message[54],
            "symbol": message[55],
            "open": leaves,
            "price": price,
        }


class ShmPrompt(Prompt):
    """The same over shared memory, or its protocol over TCP: prices are ticks, quantities lots."""

    help = f"{HELP}\n(prices, distances and quantities are ticks and lots; no modify, no status)"
    session: ShmClient

    def __init__(self, session: ShmClient, hears_all: bool = True, prefix: str = "M") -> None:
        super().__init__(session, hears_all)
        self.prefix = prefix
        self.quoted = 0

    def _new(self) -> str:
        self.used += 1
        return f"{self.prefix}{self.used}"

    def enter(self, what: str, symbol: str, quantity: int, price: str, form: Form) -> str:
        terms = shm_terms(form)
        order = self._order_of(Leg(Side[what.upper()], symbol, quantity, price, form))
        name = str(order.id)
        if terms:
            self.session.enter_with(order, **terms)
        else:
            self.session.enter(**vars(order))
        self.unanswered[name] = {"side": order.side.name, "symbol": symbol}
        return name

    def _order_of(self, leg: Leg) -> ShmOrder:
        """The order under a new name.  Raises ``ValueError`` as :meth:`enter`."""
        form, ticks, aux = leg.form, shm_price(leg.price), shm_aux(leg.form)
        return ShmOrder(
            self._new(),
            leg.side,
            leg.symbol,
            leg.quantity,
            ticks,
            order_type=form.order_type,
            time_in_force=TimeInForce.GTC if form.expires_by_term else form.time_in_force,
            aux=aux,
            self_trade=form.self_trade,
            reduce_only=form.reduce_only,
        )

    def enter_list(self, contingency: Contingency, legs: list[Leg]) -> str:
        orders = [self._order_of(leg) for leg in legs]
        name = self._new()
        self.session.enter_list(contingency, orders, id=name)
        return name

    def cancel_list(self, name: str) -> None:
        self.session.cancel(name)

    def replace(self, order: str, quantity: int, price: str) -> str:
        ticks, name = shm_price(price), self._new()
        self.session.replace(order, name, quantity, ticks)
        self.unanswered[name] = self._terms(order)
        return name

    def cancel(self, order: str, quantity: int = 0) -> None:
        if quantity:
            raise ValueError("shared memory cancels the whole order; replace it to reduce it")
        self.session.cancel(order)

    def modify(self, order: str, side: str, quantity: int) -> None:
        raise ValueError("shared memory has no modify; replace the order")

    def mass_cancel(self, symbol: str = "") -> None:
        self.session.mass_cancel(symbol)

    def quote(self, symbol: str, *words: str) -> None:
        bid_lots, bid, offer_lots, offer, *more = words
        form = read_form("1", more)
        if set(form.values) - {"post-only", "self-trade"} or form.reduce_only:
            raise ValueError(f"{' '.join(more)!r} makes no quote")
        self.quoted += 1
        self.session.quote(
            ShmQuote(
                FIRST_QUOTE + self.quoted,
                symbol,
                whole_number(bid_lots),
                signed(bid, "BID"),
                whole_number(offer_lots),
                signed(offer, "OFFER"),
                form.order_type,
                form.time_in_force,
                form.self_trade,
            )
        )

    def cancel_quotes(self, symbol: str = "") -> None:
        self.session.cancel_quotes(symbol)

    def status(self, order: str = "") -> None:
        raise ValueError("a session over shared memory begins with all that is open; see `orders`")

    def switch(self, what: str) -> None:
        raise ValueError(f"{what} needs OUCH 5.0")

    def keep(self, message: ShmMessage) -> None:
        """Bring the list of open orders up to date with a reply of the venue."""
        name = str(message.id)
        digits = name.removeprefix(self.prefix)
        if isinstance(message.id, int) and message.id > FIRST_QUOTE and message.side:
            name = f"{message.symbol}-{'bid' if message.side == Side.BUY else 'offer'}"
        elif digits.isdigit():
            self.used = max(self.used, int(digits))
        if message.kind in NO_NEWS:
            return
        self.unanswered.pop(name, None)
        if message.kind == Reply.REJECTED:
            return
        if message.kind == Reply.REPLACED:
            self.open.pop(str(message.orig_id), None)
        if message.leaves_lots == 0:
            self.open.pop(name, None)
        elif message.kind in (Reply.ACCEPTED, Reply.REPLACED):
            self.open[name] = {
                "side": message.side.name if message.side else "",
                "symbol": message.symbol,
                "open": message.leaves_lots,
                "price": message.price_ticks,
            }
        elif name in self.open:
            self.open[name]["open"] = message.leaves_lots


def shm_price(text: str) -> int:
    """A price in ticks, 0 of ``market``.  Raises ``ValueError``."""
    return 0 if text == "market" else signed(text, "PRICE")
