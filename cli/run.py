"""``outcry run``: orders through the whole pipeline."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from openoutcry.cli.display import Display
from openoutcry.cli.options import Endpoint, PathArgument, Rate, exactly_one
from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.spec import endpoint, parse_port
from openoutcry.flow import (
    FLOWS,
    BitstampSource,
    GeneratedFlow,
    ItchSource,
    LobsterSource,
)
from openoutcry.gateway_fpga.settings_file import read_settings
from openoutcry.pipeline.run import Options
from openoutcry.pipeline.run import run as run_pipeline
from openoutcry.report.run_report import write_report
from openoutcry.report.run_text import print_result
from openoutcry.wire.errors import OutcryError

DEFAULT_ORDERS = 1_000_000


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The recorded and generated sources that `run` can read."""
    options = (
        click.option("--flow", type=click.Choice(FLOWS), help="Generated flow [default: normal]."),
        click.option("--lobster", type=PathArgument, help="LOBSTER message file (CSV)."),
        click.option("--seed-book", type=PathArgument, help="Book before the LOBSTER file begins."),
        click.option("--itch", type=PathArgument, help="NASDAQ TotalView-ITCH 5.0 file."),
        click.option("--bitstamp", type=PathArgument, help="Bitstamp order events, CSV or CSV.xz."),
        click.option(
            "--udp", type=Endpoint(), help="Listen for order packets (see `outcry send`)."
        ),
        click.option(
            "--port",
            "ports",
            multiple=True,
            metavar="PORT",
            help="The same by the packet shim: udp:, packet:, xdp:, pcap:, dpdk: (docs/shim.md). "
            "Two are lines A and B of one feed.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@source_options
@click.option(
    "--orders", type=click.IntRange(1, 2**62), help="Stop after N commands [flows: 1000000]."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True,
              help="Seed of the generated flow.")  # fmt: skip
@click.option("--rate", type=Rate(), default="max", show_default=True,
              help="Commands a second by intended send time, or `max`.")  # fmt: skip
@click.option("--topology", type=click.Choice(["inline", "processes"]), default="processes",
              show_default=True, help="One thread, or one process a group of stages.")  # fmt: skip
@click.option("--spare-cores", type=click.IntRange(0), default=1, show_default=True,
              help="Cores that no stage spins on; 0 gives throughput for tails.")  # fmt: skip
@click.option("--durability", type=click.Choice(["none", "async", "durable"]), default="durable",
              show_default=True,
              help="none: memory only. async: journaled beside. durable: nothing leaves before its "
              "command is on disk.")  # fmt: skip
@click.option("--gateway", type=click.Choice(["golden", "rtl"]), default="golden",
              show_default=True,
              help="Who validates orders: the golden model, or the Verilog itself.")  # fmt: skip
@click.option("--gateway-settings", type=PathArgument, metavar="FILE.toml",
              help="Collars, limits, halts, participants and rates (docs/gateway.md).")  # fmt: skip
@click.option("--journal", type=PathArgument, help="Keep the journal in this new directory.")
@click.option("--resume", is_flag=True, help="Go on with that journal after a crash.")
@click.option("--copy", "copies", type=PathArgument, multiple=True,
              help="One more directory for the journal, written side by side.")  # fmt: skip
@click.option("--policy", type=click.Choice(["all", "quorum", "any"]), default="all",
              show_default=True,
              help="How many directories must have a command before its events leave.")  # fmt: skip
@click.option("--checkpoint-every", type=click.IntRange(0), default=1_000_000, show_default=True,
              help="Commands between checkpoints beside --journal; 0 for none.")  # fmt: skip
@click.option("--report", type=PathArgument, help="Write an HTML report.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def run(
    flow: str | None,
    lobster: Path | None,
    seed_book: Path | None,
    itch: Path | None,
    bitstamp: Path | None,
    udp: tuple[str, int] | None,
    ports: tuple[str, ...],
    orders: int | None,
    seed: int,
    rate: int,
    topology: str,
    spare_cores: int,
    durability: str,
    gateway: str,
    gateway_settings: Path | None,
    journal: Path | None,
    resume: bool,
    copies: tuple[Path, ...],
    policy: str,
    checkpoint_every: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Run orders through the whole pipeline and say what happened.

    \b
    outcry run                                       a million generated orders, durable
    outcry run --flow flash-crash --rate 100000      at 100,000 a second: latency, not queueing
    outcry run --itch day.itch --topology inline     recorded orders, in one thread
    outcry run --udp 127.0.0.1:9000                  orders from the network, until Control-C
    outcry run --port pcap:day.pcapng                orders from a capture
    """

    exactly_one(
        flow=flow, lobster=lobster, itch=itch, bitstamp=bitstamp, udp=udp, port=ports or None
    )
    if seed_book and not lobster:
        raise click.UsageError("--seed-book goes with --lobster")
    if journal and durability == "none":
        raise click.UsageError("--journal goes with --durability async or durable")
    if (udp or ports) and rate:
        raise click.UsageError("--rate goes with a recorded or generated source, not with a port")
    if (resume or copies) and not journal:
        raise click.UsageError("--resume and --copy go with --journal DIR")
    if resume and copies:
        raise click.UsageError("--copy is for a new journal; a resumed one knows its copies")
    if report and not report.absolute().parent.is_dir():
        raise OutcryError(f"--report {report}: there is no folder {report.absolute().parent}")
    options = Options(
        orders=orders, seed=seed, rate=rate, topology=topology, durability=durability,
        journal=journal, gateway=gateway, resume=resume, copies=copies, policy=policy,
        checkpoint_every=checkpoint_every, spare_cores=spare_cores,
    )  # fmt: skip
    if udp:
        options.listen, options.source_kind = udp, "udp"
        options.instruments = GeneratedFlow("normal", 1, 1).instruments
    elif ports:
        take_ports(options, ports)
        options.instruments = GeneratedFlow("normal", 1, 1).instruments
    elif lobster:
        options.source, options.source_kind = LobsterSource(lobster, seed_book), "lobster"
    elif itch:
        options.source, options.source_kind = ItchSource(itch), "itch"
    elif bitstamp:
        options.source, options.source_kind = BitstampSource(bitstamp), "bitstamp"
    else:
        options.orders = orders or DEFAULT_ORDERS
        options.source = GeneratedFlow(flow or "normal", options.orders, seed)
    if gateway_settings:
        options.gateway_settings = read_settings(gateway_settings, options.table)
    with Display(Console(stderr=True)) as display:
        result = run_pipeline(options, display.watcher())
        if report:
            display.phase("writing the report")
            write_report(result, report)
    if as_json:
        for stage in result["stages"]:
            del stage["histogram"]
        click.echo(json.dumps(result))
    else:
        print_result(Console(), result)
        if report:
            click.echo(f"report: {report}")
    if not _all_happened(result, open_ended=bool(udp or ports) and orders is None):
        sys.exit(1)


def _all_happened(result: dict[str, Any], open_ended: bool) -> bool:
    """Nothing lost or doubled, the replay equal, and all that was asked for done (an open-ended
    run is ended by its user)."""
    replayed = result["replay"]
    return (
        result["lost"] == 0
        and result["duplicated"] == 0
        and (replayed is None or replayed["equal"] is True)
        and (open_ended or result["commands"] == result["expected"])
    )


def take_ports(options: Options, texts: tuple[str, ...]) -> None:
    """Let ``options`` name the ports.  Where the shim cannot be built, one UDP port is received by
    the kernels of udp.py, and a word about it goes to standard error."""
    options.ports = [parse_port(text) for text in texts]
    options.arbitrate = len(texts) > 1
    options.source_kind = "port"
    try:
        for spec in options.ports:
            native.load(dpdk=spec.kind == "dpdk")
    except native.NotBuilt as error:
        only = options.ports[0]
        if len(options.ports) > 1 or only.kind != "udp" or only.framing:
            raise
        click.echo(f"{error}; receiving as with --udp", err=True)
        options.listen, options.source_kind = endpoint(only.text, only.target), "udp"
        options.ports = []
