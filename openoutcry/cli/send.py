"""``outcry send``: orders as packets, and how long the replies took."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy.typing as npt
from rich.console import Console

from openoutcry.cli.options import (
    Count,
    Endpoint,
    PathArgument,
    Rate,
    Whole,
    as_json_option,
    exactly_one,
    seed_option,
)
from openoutcry.dpdk_shim.spec import endpoint, parse_port
from openoutcry.flow import FLOWS, GeneratedFlow, RecordFile
from openoutcry.pipeline.sealed_line import SealedLine, read_key
from openoutcry.pipeline.send import TIMEOUT_S, send_by_line
from openoutcry.pipeline.send import send as send_packets
from openoutcry.report.run_text import stage_table


@click.command()
@click.option("--to", type=Endpoint(), help="Address at which `outcry run --udp` listens.")
@click.option(
    "--port",
    metavar="PORT",
    help="Send through this device (docs/shim.md): packet:eth0,to=10.0.0.2:9000 …",
)
@click.option(
    "--session",
    type=Whole(1, 65_535),
    help="Send authenticated packets to a venue, as this session.",
)
@click.option("--key-file", type=PathArgument, help="File with the key of --session.")
@click.option("--flow", type=click.Choice(FLOWS), help="Generated flow [default: normal].")
@click.option("--file", "file", type=PathArgument, help="File of 64-byte order records.")
@click.option(
    "--orders", type=Count, default=100_000, show_default=True, help="Number of orders to send."
)
@seed_option("Seed of the generated flow.")
@click.option(
    "--rate",
    type=Rate(),
    default="10000",
    show_default=True,
    help="Orders per second, paced by intended send time, or `max`.",
)
@as_json_option
def send(
    to: tuple[str, int] | None,
    port: str | None,
    session: int | None,
    key_file: Path | None,
    flow: str | None,
    file: Path | None,
    orders: int,
    seed: int,
    rate: int,
    as_json: bool,
) -> None:
    """Send orders as UDP packets; report the round-trip times."""
    exactly_one(flow=flow, file=file)
    source = RecordFile(file) if file else GeneratedFlow(flow or "normal", orders, seed)
    if (to is None) == (port is None):
        raise click.UsageError("give either --to or --port")
    if (session is None) != (key_file is None) or (session and port):
        raise click.UsageError("--session and --key-file go together, and with --to")
    if to and session and key_file:
        key = read_key(key_file.read_text(encoding="utf-8"), str(key_file))
        with SealedLine(to, key) as line:
            result = send_by_line(source.chunks(), line, rate or None, sender_id=session)
    else:
        result = send_orders(source.chunks(), to, port, rate or None)
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(
            f"{result['sent_orders']:,} orders in {result['sent_packets']:,} packets, "
            f"{result['acknowledged'] - result['refused']:,} acknowledged, "
            + (f"{result['refused']:,} refused beyond the rate, " if result["refused"] else "")
            + f"{result['unanswered']:,} unanswered"
        )
        row = {"name": "round trip", "span": "sent -> reply received", **result["latency"]}
        Console().print(stage_table([row], "Round trip"))
        if result["stopped"]:
            click.echo(f"stopped: {result['stopped']}")
        elif result["unanswered"]:
            click.echo(f"gave up on {result['unanswered']:,} orders: no reply for {TIMEOUT_S:g} s")
    if result["unanswered"] or result["stopped"]:
        sys.exit(1)


def send_orders(
    chunks: Iterable[npt.NDArray[Any]],
    to: tuple[str, int] | None,
    port: str | None,
    rate: int | None,
) -> dict[str, Any]:
    """Send by a kernel socket or by a port of the shim; the result is ``pipeline.send.send``'s."""
    if port is None:
        assert to is not None
        return send_packets(chunks, to=to, rate=rate)
    spec = parse_port(port)
    if spec.kind == "udp":
        return send_packets(chunks, to=endpoint(spec.text, spec.target), rate=rate)
    from openoutcry.pipeline.port_line import PortLine

    with PortLine(spec) as line:
        return send_by_line(chunks, line, rate)
