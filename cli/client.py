"""``outcry client``: trade with a venue by hand, or put a load on it."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from openoutcry.cli.options import Count, Endpoint, as_json_option
from openoutcry.client import ClientError, OuchClient
from openoutcry.client.load import run_load

HELP = """buy SYMBOL QTY PRICE [ioc]     sell SYMBOL QTY PRICE [ioc]     (PRICE may be `market`)
replace ORDER QTY PRICE        QTY with what the order has executed
cancel ORDER [QTY]             QTY to leave, with what it has executed; none: cancel
orders                         what is open      wait [SECONDS]  listen      quit"""
SETTLE_S = 0.2
"""How long answers are waited for before the next command is asked for."""


@click.group()
def client() -> None:
    """Trade with a venue: a prompt, or a load of orders."""


def _session_options(command: Any) -> Any:
    for option in (
        click.option("--password", envvar="OUTCRY_PASSWORD", prompt=True, hide_input=True,
                     help="Of the session [OUTCRY_PASSWORD]."),
        click.option("--user", required=True, help="The session's name."),
        click.option("--protocol", type=click.Choice(["ouch", "ouch50"]), default="ouch",
                     show_default=True, help="OUCH 4.2 or 5.0."),
    ):  # fmt: skip
        command = option(command)
    return command


def _version(protocol: str) -> str:
    return "5.0" if protocol == "ouch50" else "4.2"


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@click.option("--sequence", type=click.IntRange(0), default=1, show_default=True,
              help="First message wanted; 0: only what is new.")  # fmt: skip
@click.option("--prefix", default="C", show_default=True, help="Of the tokens.")
def ouch(
    to: tuple[str, int], protocol: str, user: str, password: str, sequence: int, prefix: str
) -> None:
    """Log in over SoupBinTCP and read commands: `help` says which."""
    version = _version(protocol)
    with OuchClient(
        *to, user, password, version=version, sequence=sequence, prefix=prefix
    ) as session:
        click.echo(f"session {session.session}, next message {session.sequence}")
        prompt = Prompt(session)
        prompt.listen(SETTLE_S)
        for line in _lines():
            if not prompt.do(line.split()):
                break


def _lines() -> Iterator[str]:
    """What is typed, or stands in a pipe, line by line."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield click.prompt("outcry", prompt_suffix="> ", default="", show_default=False)
        except click.Abort:
            return


class Prompt:
    """What the commands do."""

    def __init__(self, session: OuchClient) -> None:
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
        except (ValueError, AssertionError, IndexError) as error:
            click.echo(f"{' '.join(words)}: {error or 'not understood'} (try help)")
        return True

    def _do(self, command: str, arguments: list[str]) -> None:
        if command in ("buy", "sell"):
            symbol, quantity, price, *more = arguments
            side = "B" if command == "buy" else "S"
            name = self.session.enter(
                side, symbol, int(quantity), price, ioc="ioc" in more, name=self._name()
            )
            click.echo(f"order {name}")
        elif command == "replace":
            order, quantity, price = arguments
            name = self.session.replace(self._order(order), int(quantity), price, name=self._name())
            click.echo(f"order {name}")
        elif command == "cancel":
            self.session.cancel(
                self._order(arguments[0]), int(arguments[1]) if arguments[1:] else 0
            )
        elif command == "orders":
            self.listen(SETTLE_S)
            for open_name, terms in self.open.items():
                words = (f"{key}={value}" for key, value in terms.items())
                click.echo(f"{open_name} {' '.join(words)}")
            return
        elif command == "wait":
            self.listen(float(arguments[0]) if arguments else 1.0)
            return
        elif command == "help":
            click.echo(HELP)
            return
        else:
            raise ValueError("not understood")
        self.listen(SETTLE_S)

    def _order(self, text: str) -> str | int:
        return int(text) if self.session.is_50 else text

    def _name(self) -> str | int:
        """A name that the stream has not shown yet: an earlier run may have used the first ones."""
        self.used += 1
        return self.used if self.session.is_50 else f"{self.session.prefix}{self.used}"

    def listen(self, timeout_s: float) -> None:
        """Print what comes, and keep the open orders."""
        for message in self.session.messages(timeout_s):
            click.echo(str(message))
            self._keep(message.kind, message.fields)

    def _keep(self, kind: str, fields: dict[str, Any]) -> None:
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


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@click.option(
    "--sessions",
    type=Count,
    default=1,
    show_default=True,
    help="How many; {n} in --user and --password is the session's number, from 1.",
)
@click.option("--orders", type=Count, default=10_000, show_default=True)
@click.option(
    "--rate",
    type=click.IntRange(0),
    default=10_000,
    show_default=True,
    help="Orders a second by intended send time; 0: as fast as they go.",
)
@click.option("--symbol", default="OUTCRY", show_default=True)
@click.option("--price", default="100", show_default=True)
@as_json_option
def load(
    to: tuple[str, int],
    protocol: str,
    user: str,
    password: str,
    sessions: int,
    orders: int,
    rate: int,
    symbol: str,
    price: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Buys and sells of one lot, by intended send time; latency from then to the answer."""
    clients: list[OuchClient] = []
    try:
        for number in range(1, sessions + 1):
            name, secret = (text.replace("{n}", str(number)) for text in (user, password))
            clients.append(OuchClient(*to, name, secret, version=_version(protocol)))
        result = run_load(clients, orders, rate, symbol, price)
    except ValueError as error:
        raise ClientError(str(error)) from None
    finally:
        for one in clients:
            one.connection.socket.setblocking(True)
            one.logout()
    percentiles = {name: round(value, 1) for name, value in result.percentiles().items()}
    answered = result.accepted + result.rejected
    report = {
        "sent": result.sent, "accepted": result.accepted, "rejected": result.rejected,
        "unanswered": result.unanswered, "orders_per_s": round(answered / result.took_s),
        "latency_us": percentiles,
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"{result.sent:,} orders sent, {result.accepted:,} accepted, {result.rejected:,} "
            f"rejected, {result.unanswered:,} unanswered, {report['orders_per_s']:,}/s"
        )
        words = ", ".join(f"{name} {value:,} us" for name, value in percentiles.items())
        click.echo(f"from intended send time to the answer: {words}")
    if result.unanswered:
        sys.exit(1)
