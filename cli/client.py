"""``outcry client``: trade with a venue by hand, or put a load on it."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from openoutcry.cli.options import Count, Endpoint, as_json_option, concealed
from openoutcry.cli.prompt import SETTLE_S, FixPrompt, Prompt
from openoutcry.client import ClientError, DropCopyClient, FixClient, OuchClient
from openoutcry.client.load import run_load


@click.group()
def client() -> None:
    """Trade with a venue: a prompt, or a load of orders."""


def _session_options(command: Any) -> Any:
    for option in (
        click.option("--password", envvar="OUTCRY_PASSWORD", prompt=True, hide_input=True,
                     callback=concealed, help="Of the session [OUTCRY_PASSWORD]."),
        click.option("--user", required=True, help="The session's name."),
    ):  # fmt: skip
        command = option(command)
    return command


def _protocol_option(*choices: str) -> Any:
    return click.option("--protocol", type=click.Choice(choices), default="ouch",
                        show_default=True, help="OUCH 4.2 (ouch), 5.0 (ouch50), FIX 4.4 (fix)."
                        if "fix" in choices else "OUCH 4.2 or 5.0.")  # fmt: skip


_target_option = click.option(
    "--target", default="OUTCRY", show_default=True, help="The venue's CompID, of FIX."
)


def _version(protocol: str) -> str:
    return "5.0" if protocol == "ouch50" else "4.2"


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@_protocol_option("ouch", "ouch50")
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
        _read(Prompt(session))


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@_target_option
@click.option("--version", type=click.Choice(["4.4", "4.2"]), default="4.4", show_default=True)
@click.option("--prefix", default="", help="Of the ClOrdIDs; none: the time of day.")
def fix(
    to: tuple[str, int], user: str, password: str, target: str, version: str, prefix: str
) -> None:
    """Log on over FIX (both sides count from 1) and read commands: `help` says which."""
    prefix = prefix or time.strftime("%H%M%S-")
    with FixClient(*to, user, password, target=target, version=version, prefix=prefix) as session:
        click.echo(f"logged on to {target}")
        if version != "4.2":
            session.mass_status()
        _read(FixPrompt(session))


@client.command("drop-copy")
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@click.option("--protocol", type=click.Choice(["soupbin", "fix"]), default="soupbin",
              show_default=True, help="SoupBinTCP, or FIX 4.4: from now on.")  # fmt: skip
@_target_option
@click.option("--sequence", type=click.IntRange(0), default=1, show_default=True,
              help="First message wanted; 0: only what is new. Not over FIX.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=None,
              help="End after so long without a message; otherwise when interrupted.")  # fmt: skip
def drop_copy(
    to: tuple[str, int],
    user: str,
    password: str,
    protocol: str,
    target: str,
    sequence: int,
    seconds: float | None,
) -> None:
    """Show everything that happens to the orders of a participant or a group, as it happens."""
    if protocol == "fix":
        with FixClient(*to, user, password, target=target) as reports:
            click.echo(f"logged on to {target}")
            for report in reports.messages(seconds):
                click.echo(str(report))
        return
    with DropCopyClient(*to, user, password, sequence=sequence) as session:
        click.echo(f"session {session.session}, next message {session.sequence}")
        for copy in session.copies(seconds):
            click.echo(str(copy))


def _read(prompt: Prompt) -> None:
    """Do what the lines say, to the last or to `quit`."""
    prompt.listen(SETTLE_S)
    for line in _lines():
        if not prompt.do(line.split()):
            break


def _lines() -> Iterator[str]:
    """What is typed, or is in a pipe, line by line."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield click.prompt("outcry", prompt_suffix="> ", default="", show_default=False)
        except click.Abort:
            return


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@_protocol_option("ouch", "ouch50", "fix")
@_target_option
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
    target: str,
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
    clients: list[OuchClient | FixClient] = []
    try:
        for number in range(1, sessions + 1):
            name, secret = (text.replace("{n}", str(number)) for text in (user, password))
            if protocol == "fix":
                clients.append(FixClient(*to, name, secret, target=target))
            else:
                clients.append(OuchClient(*to, name, secret, version=_version(protocol)))
        result = run_load(clients, orders, rate, symbol, price)
    except ValueError as error:
        raise ClientError(str(error)) from None
    finally:
        for one in clients:
            where = one if isinstance(one, FixClient) else one.connection
            where.socket.setblocking(True)
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
