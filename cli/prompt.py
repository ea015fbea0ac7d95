"""The commands that ``outcry client`` reads, over OUCH and over FIX."""

import contextlib
from typing import Any

import click

from openoutcry.client import ClientError, FixClient, FixMessage, SessionEnded

HELP = """buy SYMBOL QTY PRICE [ioc]     sell SYMBOL QTY PRICE [ioc]     (PRICE may be `market`)
replace ORDER QTY PRICE        QTY with what the order has executed
cancel ORDER [QTY]             QTY to leave, with what it has executed; none: cancel
modify ORDER SIDE QTY          another kind of sale (S, T, E), or less quantity; not over FIX
mass-cancel [SYMBOL]           all orders of the participant; not over OUCH 4.2
status [ORDER]                 what the venue says of one order, or of all; over FIX
disable   enable   query       order entry off and on, the next UserRefNum; over OUCH 5.0
orders                         what is open
wait [SECONDS]   listen        what comes for so long, or until it is interrupted
quit"""
SETTLE_S = 0.2
"""How long answers are waited for before the next command is asked for."""


class Prompt:
    """What the commands do."""

    help = HELP

    def __init__(self, session: Any) -> None:
        self.session = session
        self.open: dict[str, dict[str, Any]] = {}
        """By name: side, symbol, price, and what is open."""
        self.used = 0

    def do(self, words: list[str]) -> bool:
        """One command; false when it was the last."""
        if not words:
            self.listen(SETTLE_S)
            return True
        command, arguments = words[0], words[1:]
        if command in ("quit", "exit"):
            return False
        try:
            self._do(command, arguments)
        except SessionEnded:
            raise
        except (ClientError, ValueError, AssertionError, IndexError) as error:
            click.echo(f"{' '.join(words)}: {error or 'not understood'} (try help)")
        return True

    def _do(self, command: str, arguments: list[str]) -> None:
        if command in ("buy", "sell"):
            symbol, quantity, price, *more = arguments
            click.echo(f"order {self.enter(command, symbol, int(quantity), price, 'ioc' in more)}")
        elif command == "replace":
            order, quantity, price = arguments
            click.echo(f"order {self.replace(order, int(quantity), price)}")
        elif command == "cancel":
            self.cancel(arguments[0], *map(int, arguments[1:]))
        elif command == "modify":
            order, side, quantity = arguments
            self.modify(order, side.upper(), int(quantity))
        elif command == "mass-cancel":
            self.session.mass_cancel(*arguments[:1])
        elif command == "status":
            self.status(*arguments[:1])
        elif command in ("disable", "enable", "query"):
            self.switch(command)
        elif command == "orders":
            self.listen(SETTLE_S)
            for open_name, terms in self.open.items():
                words = (f"{key}={value}" for key, value in terms.items())
                click.echo(f"{open_name} {' '.join(words)}")
            return
        elif command == "wait":
            self.listen(float(arguments[0]) if arguments else 1.0)
            return
        elif command == "listen":
            with contextlib.suppress(KeyboardInterrupt):
                self.listen(None)
            return
        elif command == "help":
            click.echo(self.help)
            return
        else:
            raise ValueError("not understood")
        self.listen(SETTLE_S)

    def enter(self, what: str, symbol: str, quantity: int, price: str, ioc: bool) -> str | int:
        side = "B" if what == "buy" else "S"
        return self.session.enter(side, symbol, quantity, price, ioc=ioc, name=self._name())

    def replace(self, order: str, quantity: int, price: str) -> str | int:
        return self.session.replace(self._order(order), quantity, price, name=self._name())

    def cancel(self, order: str, quantity: int = 0) -> None:
        self.session.cancel(self._order(order), quantity)

    def modify(self, order: str, side: str, quantity: int) -> None:
        self.session.modify(self._order(order), side, quantity)

    def status(self, order: str = "") -> None:
        raise ValueError("OUCH tells an order's state as it changes: see orders")

    def switch(self, what: str) -> None:
        if what == "query":
            self.session.query()
        else:
            self.session.switch_entry(what == "enable", name=self._name())

    def _order(self, text: str) -> str | int:
        return int(text) if self.session.is_50 else text

    def _name(self) -> str | int:
        """A name that the stream has not shown yet: an earlier run may have used the first ones."""
        self.used += 1
        return self.used if self.session.is_50 else f"{self.session.prefix}{self.used}"

    def listen(self, timeout_s: float | None) -> None:
        """Print what comes until that long nothing has (None: for ever), and keep the open
        orders."""
        for message in self.session.messages(timeout_s):
            click.echo(str(message))
            self.keep(message)

    def keep(self, message: Any) -> None:
        """What is open, once this has come."""
        kind, fields = message.kind, message.fields
        name = str(fields.get("token", fields.get("user_ref", "")))
        size = fields.get("shares", fields.get("quantity", 0))
        digits = name.removeprefix(self.session.prefix)
        if digits.isdigit():
            self.used = max(self.used, int(digits))
        if kind in "AU":
            before = fields.get("previous_token", fields.get("orig_user_ref"))
            if before is not None:
                self.open.pop(str(before), None)
            kept = {key: fields[key] for key in ("side", "symbol")}
            self.open[name] = kept | {"open": size, "price": f"{fields['price'] / 10_000:.4f}"}
        elif kind == "M" and name in self.open:
            self.open[name]["open"] = size
        elif kind in "ECD" and name in self.open:
            self.open[name]["open"] -= size
            if self.open[name]["open"] <= 0:
                del self.open[name]


class FixPrompt(Prompt):
    """The same over FIX."""

    help = f"{HELP}\n(over FIX a cancel is of the whole order)"
    session: FixClient

    def enter(self, what: str, symbol: str, quantity: int, price: str, ioc: bool) -> str:
        side = "1" if what == "buy" else "2"
        return self.session.enter(side, symbol, quantity, price, ioc=ioc)

    def replace(self, order: str, quantity: int, price: str) -> str:
        terms = self._terms(order)
        return self.session.replace(order, terms["symbol"], terms["side"], quantity, price)

    def cancel(self, order: str, quantity: int = 0) -> None:
        if quantity:
            raise ValueError("FIX cancels the whole order: replace it with less")
        terms = self._terms(order)
        self.session.cancel(order, terms["symbol"], terms["side"])

    def modify(self, order: str, side: str, quantity: int) -> None:
        raise ValueError("FIX has no modify: replace it")

    def status(self, order: str = "") -> None:
        if not order:
            self.session.mass_status()
            return
        terms = self._terms(order)
        self.session.status(order, terms["symbol"], terms["side"])

    def switch(self, what: str) -> None:
        raise ValueError(f"{what} is of OUCH 5.0")

    def _terms(self, order: str) -> dict[str, Any]:
        if order not in self.open:
            raise ValueError(f"{order} is not open")
        return self.open[order]

    def keep(self, message: FixMessage) -> None:
        if message.kind != "8" or message.get(39) == "8":
            return
        name, before, leaves = message[11], message.get(41), int(message[151])
        self.open.pop(before, None)
        if leaves == 0:
            self.open.pop(name, None)
            return
        price = message.get(44) or "market"
        self.open[name] = {
            "side": message[54], "symbol": message[55], "open": leaves, "price": price,
        }  # fmt: skip
