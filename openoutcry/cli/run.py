"""``outcry run``: orders through the whole pipeline."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from rich.console import Console

from openoutcry.cli.display import Display
from openoutcry.cli.options import (
    Count,
    CountOrNone,
    Endpoint,
    OpenOrders,
    PathArgument,
    Rate,
    Secret,
    Whole,
    exactly_one,
    seed_option,
)
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.flow import (
    FLOWS,
    BitstampSource,
    GeneratedFlow,
    ItchSource,
    LobsterSource,
    RecordFile,
)
from openoutcry.gateway_fpga.settings_file import read_settings
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.core import OPEN_ORDERS
from openoutcry.pipeline.gate_policy import POLICIES
from openoutcry.pipeline.journal_setup import kept_journal_path
from openoutcry.pipeline.run import Options
from openoutcry.pipeline.run import run as run_pipeline
from openoutcry.pipeline.topology import sharded
from openoutcry.report.plain import drawn_on
from openoutcry.report.run_report import write_report
from openoutcry.report.run_text import print_result
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.table import MAX_SHARDS
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import OutcryError

DEFAULT_ORDERS = 1_000_000
SHARE = 4
"""Participants who could fill the book together, by default; fewer cannot."""
RUN_OPTIONS = (
    "orders",
    "seed",
    "rate",
    "topology",
    "durability",
    "journal",
    "gateway",
    "resume",
    "copies",
    "policy",
    "checkpoint_every",
    "housekeeping_cores",
    "volatile_journal",
)
"""The options that a run has under the same name."""


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The recorded and generated sources that `run` can read."""
    options = (
        click.option("--flow", type=click.Choice(FLOWS), help="Generated flow [default: normal]."),
        click.option("--lobster", type=PathArgument, help="LOBSTER message file (CSV)."),
        click.option(
            "--seed-book", type=PathArgument, help="LOBSTER order book before the first message."
        ),
        click.option("--itch", type=PathArgument, help="NASDAQ TotalView-ITCH 5.0 file."),
        click.option(
            "--symbols", metavar="LIST", help="Symbols of the ITCH file, comma-separated [all]."
        ),
        click.option("--bitstamp", type=PathArgument, help="Bitstamp order events, CSV or CSV.xz."),
        click.option(
            "--records", type=PathArgument, help="File of order records (`outcry data import`)."
        ),
        click.option(
            "--udp", type=Endpoint(), help="Listen for order packets (see `outcry send`)."
        ),
        click.option(
            "--port",
            "ports",
            multiple=True,
            metavar="PORT",
            help="Receive order packets from a device: udp:, packet:, xdp:, pcap:, dpdk: "
            "(docs/shim.md). Two ports are lines A and B of one feed.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@source_options
@click.option("--orders", type=Count, help="Stop after N commands [flows: 1000000].")
@seed_option("Seed of the generated flow.")
@click.option(
    "--rate",
    type=Rate(),
    default="max",
    show_default=True,
    help="Commands per second, paced by intended send time, or `max`.",
)
@click.option(
    "--participant-rate",
    type=Rate(),
    default="100000",
    show_default=True,
    help="Reject network orders of a participant above this many per second (a tenth of it at "
    "once). `max`: no limit.",
)
@click.option(
    "--participant-orders",
    type=OpenOrders(),
    help="Reject network orders of a participant that has this many open. `max`: no limit "
    "[default: a quarter of the book; with --shards no limit].",
)
@click.option(
    "--topology",
    type=click.Choice(["inline", "processes"]),
    default="processes",
    show_default=True,
    help="One thread, or one process for each group of stages.",
)
@click.option(
    "--housekeeping-cores",
    "housekeeping_cores",
    type=Whole(0),
    default=1,
    show_default=True,
    help="Cores to keep free of busy-polling stages; 0 gives every core to a stage (more "
    "throughput in memory, longer tails).",
)
@click.option(
    "--shards",
    type=Whole(1, MAX_SHARDS),
    default=1,
    show_default=True,
    help="Matchers that share the instruments, by hash of the symbol.",
)
@click.option(
    "--durability",
    type=click.Choice(["none", "async", "durable", "replicated"]),
    default="durable",
    show_default=True,
    help="none: memory only. async: journaled in parallel. durable: an event leaves after its "
    "command is on disk. replicated: and on a majority of --nats.",
)
@click.option(
    "--nats",
    type=Secret(),
    metavar="CLUSTER",
    help="Replicate the journal to this cluster: comma-separated URLs, a JSON file with urls, "
    "user, password and ca, or a folder of `outcry cluster up`.",
)
@click.option(
    "--stream",
    default="RUN",
    show_default=True,
    help="Name of the replicated journal in the cluster.",
)
@click.option(
    "--gateway",
    type=click.Choice(["golden", "rtl"]),
    default="golden",
    show_default=True,
    help="Validate orders with the golden model or the Verilog.",
)
@click.option(
    "--gateway-settings",
    type=PathArgument,
    metavar="FILE.toml",
    help="Collars, limits, halts, participants and rates (docs/gateway.md).",
)
@click.option(
    "--journal",
    type=PathArgument,
    help="Keep the journal in this new directory [from a network: one in this folder].",
)
@click.option(
    "--volatile-journal",
    is_flag=True,
    help="Allow a durable journal on a file system that a power cut empties (tmpfs).",
)
@click.option("--resume", is_flag=True, help="Continue the journal of --journal after a crash.")
@click.option(
    "--copy",
    "copies",
    type=PathArgument,
    multiple=True,
    help="A second directory for the journal, written in parallel.",
)
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="all",
    show_default=True,
    help="Release an event once its command is in all, a quorum or any of the directories; of "
    "a replicated journal: in both (all), local or replicated.",
)
@click.option(
    "--checkpoint-every",
    type=CountOrNone,
    default=1_000_000,
    show_default=True,
    help="Write a checkpoint next to --journal every N commands; 0: none.",
)
@click.option("--report", type=PathArgument, help="Write an HTML report.")
@click.option(
    "--histograms",
    type=PathArgument,
    help="Write the latency histogram of every stage and span to this JSON file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def run(report: Path | None, histograms: Path | None, as_json: bool, **values: Any) -> None:
    """Run orders through the whole pipeline; report what happened.

    \b
    outcry run                                       a million generated orders, durable
    outcry run --flow flash-crash --rate 100000      at 100,000 a second: latency, not queueing
    outcry run --itch day.itch --topology inline     recorded orders, in one thread
    outcry run --udp 127.0.0.1:9000                  orders from the network, until Control-C
    outcry run --port pcap:day.pcapng                orders from a capture
    """
    args = SimpleNamespace(**values)
    _check_together(args)
    if report and not report.absolute().parent.is_dir():
        raise OutcryError(f"--report {report}: there is no folder {report.absolute().parent}")
    options = Options(**{name: values[name] for name in RUN_OPTIONS})
    options.wiring = sharded(options.wiring, args.shards)
    if args.nats:
        options.replication = Replication(args.stream, args.nats)
    _choose_source(options, args)
    if args.journal is None and args.durability != "none" and _from_network(options):
        options.journal = kept_journal_path()
        click.echo(
            f"outcry: the journal is kept in {options.journal}; to continue it after a crash, add "
            f"--journal {options.journal} --resume to the same command",
            err=True,
        )
    if args.gateway_settings:
        options.gateway_settings = read_settings(args.gateway_settings, options.table)
    if _from_network(options) and not options.arbitrate:
        options.participant_rate = args.participant_rate
    if _from_network(options):
        options.hooks = _bound(options, args)
    open_ended = bool(args.udp or args.ports) and args.orders is None
    with Display(Console(file=drawn_on(sys.stderr))) as display:
        result = run_pipeline(options, display.watcher())
        if report:
            display.phase("writing the report")
            write_report(result, report)
    if histograms:
        write_atomically(histograms, json.dumps({"stages": result["stages"]}))
    if as_json:
        for stage in result["stages"]:
            del stage["histogram"]
        click.echo(json.dumps(result))
    else:
        print_result(Console(), result)
        if report:
            click.echo(f"report: {report}")
    if not _is_complete(result, open_ended):
        sys.exit(1)


def _check_together(args: SimpleNamespace) -> None:
    """Reject options that exclude or need each other."""
    exactly_one(
        flow=args.flow,
        lobster=args.lobster,
        itch=args.itch,
        bitstamp=args.bitstamp,
        records=args.records,
        udp=args.udp,
        port=args.ports or None,
    )
    if args.seed_book and not args.lobster:
        raise click.UsageError("--seed-book needs --lobster")
    if args.symbols and not args.itch:
        raise click.UsageError("--symbols needs --itch")
    if args.journal and args.durability == "none":
        raise click.UsageError("--journal needs --durability async or durable")
    if (args.udp or args.ports) and args.rate:
        raise click.UsageError("--rate needs a recorded or generated source, not a port")
    if (args.resume or args.copies) and not args.journal:
        raise click.UsageError("--resume and --copy need --journal DIR")
    if (args.durability == "replicated") != bool(args.nats):
        raise click.UsageError("--durability replicated and --nats CLUSTER need each other")
    if args.nats and not args.journal:
        raise click.UsageError("--durability replicated needs --journal DIR")
    if args.participant_orders and args.shards > 1:
        raise click.UsageError("--participant-orders counts in one matcher: leave out --shards")
    if args.resume and args.copies:
        raise click.UsageError("--copy is for a new journal; a resumed one knows its copies")


def _bound(options: Options, args: SimpleNamespace) -> Mapping[str, Any] | None:
    """Return the bound that keeps one participant from filling the book; a resumed journal has its
    own."""
    limit = args.participant_orders
    if limit is None and args.resume and Journal.exists(args.journal):
        hooks: Mapping[str, Any] | None = JournalReader(args.journal).config.get("hooks")
        return hooks
    if limit is None:
        limit = 0 if args.shards > 1 else options.order_capacity // SHARE
    return {"name": OPEN_ORDERS, "limit": limit} if limit else None


def _choose_source(options: Options, args: SimpleNamespace) -> None:
    """Where the orders come from."""
    if args.udp:
        host, number = args.udp
        options.ports, options.source_kind = [parse_port(f"udp:{host}:{number}")], "udp"
        options.instruments = GeneratedFlow("normal", 1, 1).instruments
    elif args.ports:
        options.ports = [parse_port(text) for text in args.ports]
        options.arbitrate, options.source_kind = len(options.ports) > 1, "port"
        options.instruments = GeneratedFlow("normal", 1, 1).instruments
    elif args.lobster:
        options.source = LobsterSource(args.lobster, args.seed_book)
        options.source_kind = "lobster"
    elif args.itch:
        symbols = [s.strip() for s in args.symbols.split(",")] if args.symbols else None
        options.source, options.source_kind = ItchSource(args.itch, symbols), "itch"
    elif args.bitstamp:
        options.source, options.source_kind = BitstampSource(args.bitstamp), "bitstamp"
    elif args.records:
        options.source, options.source_kind = RecordFile(args.records), "records"
    else:
        options.orders = args.orders or DEFAULT_ORDERS
        options.source = GeneratedFlow(args.flow or "normal", options.orders, args.seed)


def _is_complete(result: dict[str, Any], open_ended: bool) -> bool:
    """Nothing lost or doubled, the replay equal, and all that was asked for done (an open-ended
    run is ended by its user)."""
    replayed = result["replay"]
    return (
        result["lost"] == 0
        and result["duplicated"] == 0
        and (replayed is None or replayed["equal"] is True)
        and (open_ended or result["commands"] == result["expected"])
    )


def _from_network(options: Options) -> bool:
    """Return whether the orders come from clients that cannot be asked to send them again."""
    return any(spec.kind != "pcap" for spec in options.ports)
