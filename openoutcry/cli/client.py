"""``outcry client``: trade with a venue by hand, or put a load on it."""

import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import Count, Endpoint, PathArgument, Secret, Whole, as_json_option
from openoutcry.cli.prompt import SETTLE_S, FixPrompt, Prompt, ShmPrompt
from openoutcry.cli.typed_lines import HasDescriptor, typed_lines
from openoutcry.client import ClientError, DropCopyClient, FixClient, OuchClient
from openoutcry.client.load import run_load
from openoutcry.client.shm import ShmClient
from openoutcry.wire.text import printable

MAX_REASONS_SHOWN = 5


@click.group()
def client() -> None:
    """Trade at a venue: a prompt, or a load of orders."""


def _session_options(command: Any) -> Any:
    for option in (
        click.option("--server-name", default="", help="Name in the port's certificate [HOST]."),
        click.option(
            "--ca",
            type=PathArgument,
            help="Use TLS and trust only this certificate and those it signed (PEM).",
        ),
        click.option(
            "--tls", is_flag=True, help="Use TLS and trust the system's certificate authorities."
        ),
        click.option(
            "--password",
            envvar="OUTCRY_PASSWORD",
            prompt=True,
            hide_input=True,
            type=Secret(),
            help="Password of the session [default: OUTCRY_PASSWORD].",
        ),
        click.option("--user", required=True, help="Name of the session."),
    ):
        command = option(command)
    return command


def _protocol_option(*choices: str) -> Any:
    return click.option(
        "--protocol",
        type=click.Choice(choices),
        default="ouch",
        show_default=True,
        help="OUCH 4.2 (ouch), OUCH 5.0 (ouch50) or FIX 4.4 (fix)."
        if "fix" in choices
        else "OUCH 4.2 or 5.0.",
    )


_target_option = click.option(
    "--target", default="OUTCRY", show_default=True, help="The venue's CompID, for FIX."
)


def _tls(tls: bool, ca: Path | None, server_name: str) -> dict[str, Any]:
    """Return the client's arguments for the options of TLS."""
    if ca is None:
        if server_name and not tls:
            raise click.UsageError("--server-name needs --tls or --ca")
        return {"tls": ssl.create_default_context(), "tls_name": server_name} if tls else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise ClientError(f"{ca}: no certificate in PEM") from None
    except OSError as error:
        raise ClientError(f"{ca}: {error.strerror}") from None
    return {"tls": context, "tls_name": server_name}


def _version(protocol: str) -> str:
    return "5.0" if protocol == "ouch50" else "4.2"


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@_protocol_option("ouch", "ouch50")
@click.option(
    "--sequence",
    type=Whole(0),
    default=1,
    show_default=True,
    help="First message to receive; 0: only new ones.",
)
@click.option("--prefix", default="C", show_default=True, help="Prefix of the order tokens.")
def ouch(
    to: tuple[str, int],
    protocol: str,
    user: str,
    password: str,
    sequence: int,
    prefix: str,
    **tls: Any,
) -> None:
    """Log in over SoupBinTCP and read commands; `help` lists them."""
    version = _version(protocol)
    with OuchClient(
        *to,
        user,
        password,
        version=version,
        sequence=sequence,
        prefix=prefix,
        counts=True,
        **_tls(**tls),
    ) as session:
        click.echo(f"session {session.session}, next message {session.sequence}")
        _read(Prompt(session, sequence == 1), session.connection.socket)


@client.command()
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@_target_option
@click.option(
    "--version",
    type=click.Choice(["4.4", "4.2"]),
    default="4.4",
    show_default=True,
    help="Version of FIX.",
)
@click.option("--prefix", default="", help="Prefix of the ClOrdIDs (default: the time of day).")
def fix(
    to: tuple[str, int],
    user: str,
    password: str,
    target: str,
    version: str,
    prefix: str,
    **tls: Any,
) -> None:
    """Log on over FIX and read commands; `help` lists them.

    Both sides reset their sequence numbers to 1."""
    prefix = prefix or time.strftime("%H%M%S-")
    with FixClient(
        *to, user, password, target=target, version=version, prefix=prefix, **_tls(**tls)
    ) as session:
        click.echo(f"logged on to {target}")
        if version != "4.2":
            session.mass_status()
        _read(FixPrompt(session), session.socket)


@client.command()
@click.argument("at", metavar="SOCKET|HOST:PORT")
@click.option("--user", required=True, help="Name of the session.")
@click.option(
    "--key",
    envvar="OUTCRY_KEY",
    prompt=True,
    hide_input=True,
    type=Secret(),
    help="Key of the session, 64 hexadecimal digits [default: OUTCRY_KEY].",
)
@click.option("--prefix", default="M", show_default=True, help="Prefix of the orders' names.")
def shm(at: str, user: str, key: str, prefix: str) -> None:
    """Log in over shared memory and read commands; `help` lists them.

    With HOST:PORT instead of a socket by the same protocol over TCP.

    Prices are ticks and quantities lots."""
    host, _, port = at.rpartition(":")
    to: str | tuple[str, int] = (host, int(port)) if host and port.isdigit() else at
    try:
        secret = bytes.fromhex(key)
    except ValueError:
        raise ClientError("--key: it is not hexadecimal") from None
    with ShmClient(to, user, secret, first_reply=1) as session:
        click.echo(f"logged in, day {session.day}")
        _read(ShmPrompt(session, prefix=prefix), session)


@client.command("drop-copy")
@click.argument("to", type=Endpoint(), metavar="HOST:PORT")
@_session_options
@click.option(
    "--protocol",
    type=click.Choice(["soupbin", "fix"]),
    default="soupbin",
    show_default=True,
    help="SoupBinTCP, or FIX 4.4 (new events only).",
)
@_target_option
@click.option(
    "--sequence",
    type=Whole(0),
    default=1,
    show_default=True,
    help="First message to receive; 0: only new ones. Not over FIX.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Stop after SECONDS without a message (default: run until interrupted).",
)
def drop_copy(
    to: tuple[str, int],
    user: str,
    password: str,
    protocol: str,
    target: str,
    sequence: int,
    seconds: float | None,
    **tls: Any,
) -> None:
    """Show all events of a participant's or group's orders, live."""
    if protocol == "fix":
        with FixClient(*to, user, password, target=target, **_tls(**tls)) as reports:
            click.echo(f"logged on to {target}")
            for report in reports.messages(seconds):
                click.echo(str(report))
        return
    with DropCopyClient(*to, user, password, sequence=sequence, **_tls(**tls)) as session:
        click.echo(f"session {session.session}, next message {session.sequence}")
        for copy in session.copies(seconds):
            click.echo(str(copy))


def _read(prompt: Prompt, connection: HasDescriptor) -> None:
    """Do what the lines say, to the last or to `quit`."""
    prompt.listen(SETTLE_S)
    for line in typed_lines(sys.stdin, connection, prompt.look):
        if not prompt.do(line.split()):
            break


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
    help="Number of sessions; {n} in --user and --password is the session's number, from 1.",
)
@click.option(
    "--orders", type=Count, default=10_000, show_default=True, help="Number of orders to send."
)
@click.option(
    "--rate",
    type=Whole(0),
    default=10_000,
    show_default=True,
    help="Orders per second, paced by intended send time; 0: as fast as possible.",
)
@click.option("--symbol", default="GOLD", show_default=True, help="Instrument to trade.")
@click.option("--price", default="2000", show_default=True, help="Price of the orders.")
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
    **tls: Any,
) -> None:
    """Send orders of one lot at a rate; report the latency.

    Latency is measured from the intended send time to the acknowledgement. Without --symbol and
    --price the orders suit the venue of `outcry venue init`."""
    clients: list[OuchClient | FixClient] = []
    secured = _tls(**tls)
    try:
        for number in range(1, sessions + 1):
            name, secret = (text.replace("{n}", str(number)) for text in (user, password))
            if protocol == "fix":
                clients.append(FixClient(*to, name, secret, target=target, **secured))
            else:
                version = _version(protocol)
                clients.append(OuchClient(*to, name, secret, version=version, **secured))
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
        "sent": result.sent,
        "accepted": result.accepted,
        "rejected": result.rejected,
        "unanswered": result.unanswered,
        "orders_per_s": round(answered / result.took_s),
        "latency_us": percentiles,
        "reasons": result.reasons,
    }
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"{result.sent:,} orders sent, {result.accepted:,} accepted, {result.rejected:,} "
            f"rejected, {result.unanswered:,} unanswered, {report['orders_per_s']:,}/s"
        )
        for reason, count in list(result.reasons.items())[:MAX_REASONS_SHOWN]:
            click.echo(f"rejected {count:,}: {printable(reason)}")
        words = ", ".join(f"{name} {value:,} us" for name, value in percentiles.items())
        click.echo(f"from intended send time to the answer: {words}")
    if result.unanswered or not result.accepted:
        sys.exit(1)
