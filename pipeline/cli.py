"""The ``outcry`` command.

Exit status: 0 only when everything asked for happened, 2 for a usage error, 1 for anything else.
``--json`` prints exactly one JSON document on standard output; people's text goes to standard
error then.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import openoutcry
from openoutcry.flow import (
    FLOWS,
    BitstampSource,
    GeneratedFlow,
    ItchSource,
    LobsterSource,
    RecordFile,
)
from openoutcry.pipeline.display import Display, print_result
from openoutcry.wire import OutcryError

DEFAULT_ORDERS = 1_000_000
PathArgument = click.Path(path_type=Path)


class Endpoint(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """HOST:PORT."""

    name = "host:port"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is not HOST:PORT with a port from 1 to 65535", param, ctx)
        return host, int(port)


class Rate(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Commands a second, or ``max`` (0)."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        text = str(value)
        if text == "max":
            return 0
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000_000:
            self.fail(
                f"{value!r} is neither `max` nor 1 to 1000000000 commands a second", param, ctx
            )
        return int(text)


class OutcryGroup(click.Group):
    """Turns an error a user can cause into one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OutcryError as error:
            click.echo(f"outcry: {error}", err=True)
            ctx.exit(1)


@click.group(cls=OutcryGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(openoutcry.__version__, prog_name="outcry")
def main() -> None:
    """Open Outcry: a low-latency exchange pipeline for one Linux host.

    \b
    source -> receive -> gateway -> sequenced ring -+-> journal
                                                    +-> matcher -> event ring -> gate -> replies

    Begin with `outcry run`: it sends a million generated orders through all of it, prints the
    latency of each stage, and proves the journal by replaying it.
    """


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


def _exactly_one(**given: Any) -> None:
    names = ["--" + name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise click.UsageError(f"one source at a time: {' and '.join(names)} are given")


@main.command()
@source_options
@click.option("--orders", type=click.IntRange(1), help="Stop after N commands [flows: 1000000].")
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
    # Numba is imported by these: `outcry --help` need not wait for it.
    from openoutcry.gateway_fpga.settings_file import read_settings
    from openoutcry.pipeline.report import write_report
    from openoutcry.pipeline.run import Options
    from openoutcry.pipeline.run import run as run_pipeline

    _exactly_one(
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
        from openoutcry.pipeline.port_cli import take_ports

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


@main.command()
@click.argument("directory", type=PathArgument)
@click.option("--until", type=click.IntRange(0), help="Stop after this sequence.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def replay(directory: Path, until: int | None, as_json: bool) -> None:
    """Rebuild the book from a journal alone and compare with what the run recorded."""
    from openoutcry.pipeline.replay import replay as replay_journal

    result = replay_journal(directory, until)
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(
            f"{result['commands']:,} commands, {result['events']:,} events "
            f"in {result['seconds']:.2f} s\n"
            f"state hash {result['state_hash']}  event hash {result['event_hash']}"
        )
        if result["torn"]:
            click.echo(f"the journal's end is torn: {result['torn']}")
        if result["wrong_seq"] is not None:
            click.echo(f"events differ from what stands beside command {result['wrong_seq']:,}")
        elif result["proofs"]:
            click.echo(
                f"events equal to the {result['proofs']:,} hashes beside the blocks, "
                f"up to command {result['proven_seq']:,}"
            )
        verdict = {
            True: "equal to what the run recorded",
            False: "DIFFERENT from what the run recorded",
            None: "nothing recorded at this sequence to compare with",
        }
        click.echo(verdict[result["equal"]])
    if result["equal"] is False:
        sys.exit(1)


@main.command("check-book")
@click.option("--lobster", type=PathArgument, required=True, help="LOBSTER message file.")
@click.option("--orderbook", type=PathArgument, required=True, help="The recorded book after each.")
@click.option("--seed-book", type=PathArgument, help="Book after the first message.")
@click.option("--levels", type=click.IntRange(1), help="Levels to compare [all recorded].")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def check_book(
    lobster: Path, orderbook: Path, seed_book: Path | None, levels: int | None, as_json: bool
) -> None:
    """Run recorded messages through our matcher; compare its book with the recorded one.

    A recorded execution enters as an aggressing order, so the matcher must find the maker itself.
    Differences are the answer, not an error: they are counted, and the first is shown.
    """
    from openoutcry.pipeline.check_book import check_book as check

    result = check(lobster, orderbook, seed_book, levels)
    if as_json:
        click.echo(json.dumps(result))
        return
    rows, equal = result["rows"], result["equal"]
    executions, agrees = result["executions"], result["maker_agrees"]
    click.echo(f"rows equal: {equal:,} of {rows:,} ({equal / max(rows, 1):.4%})")
    click.echo(f"visible executions: {executions:,}, the maker the tape names: {agrees:,}")
    click.echo(f"levels compared: {result['levels']}, commands rejected: {result['rejected']}")
    click.echo(
        f"repairs: {result['repairs']} (after an execution that passes over the head of the queue, "
        "the book is put back in step with the tape)"
    )
    click.echo("messages:")
    for what, count in result["messages"].items():
        click.echo(f"  {count:>9,}  {what}")
    click.echo(f"first difference: {result['first_difference'] or 'none'}")


@main.command()
@click.option("--once", is_flag=True, help="Print one look and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document (with one look).")
def top(once: bool, as_json: bool) -> None:
    """Look at running pipelines: rings, stages, durable lag, latency so far."""
    from openoutcry.pipeline.top import look, show

    if as_json:
        click.echo(json.dumps({"pipelines": look()}))
    else:
        show(once)


@main.command()
@click.option("--to", type=Endpoint(), help="Where `outcry run --udp` listens.")
@click.option("--port", metavar="PORT", help="The way out, by the packet shim (docs/shim.md): "
              "packet:eth0,to=10.0.0.2:9000 …")  # fmt: skip
@click.option("--flow", type=click.Choice(FLOWS), help="Generated flow [default: normal].")
@click.option("--file", "file", type=PathArgument, help="File of 64-byte order records.")
@click.option("--orders", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True)
@click.option("--rate", type=Rate(), default="10000", show_default=True,
              help="Orders a second by intended send time, or `max`.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def send(
    to: tuple[str, int] | None,
    port: str | None,
    flow: str | None,
    file: Path | None,
    orders: int,
    seed: int,
    rate: int,
    as_json: bool,
) -> None:
    """Send orders as UDP packets, listen for the replies, report the round trip."""
    from openoutcry.pipeline.display import stage_table
    from openoutcry.pipeline.port_cli import send_orders

    _exactly_one(flow=flow, file=file)
    source = RecordFile(file) if file else GeneratedFlow(flow or "normal", orders, seed)
    if (to is None) == (port is None):
        raise click.UsageError("give either --to or --port")
    result = send_orders(source.chunks(), to, port, rate or None)
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(
            f"{result['sent_orders']:,} orders in {result['sent_packets']:,} packets, "
            f"{result['acknowledged']:,} acknowledged, {result['unanswered']:,} unanswered"
        )
        row = {"name": "round trip", "span": "sent -> reply received", **result["latency"]}
        Console().print(stage_table([row], "Round trip"))
        if result["stopped"]:
            click.echo(f"stopped: {result['stopped']}")
    if result["unanswered"] or result["stopped"]:
        sys.exit(1)
