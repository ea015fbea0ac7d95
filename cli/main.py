"""The ``outcry`` command.

Exit status: 0 only when everything asked for happened, 2 for a usage error, 1 for anything else.
``--json`` prints exactly one JSON document on standard output (`{"error": …}` if nothing came of
it); people's text goes to standard error then.
"""

import errno
import json
import os
from importlib import import_module
from typing import Any

import click

import openoutcry
from openoutcry.early import leaving_at_once
from openoutcry.wire.errors import OutcryError

AS_JSON = "openoutcry.json"
LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
A_LIMIT = "a limit of this user or machine (ulimit -a)"
SUBCOMMANDS = {
    "alarms": "Alarms of a venue: watch for them, or write them as rules of Prometheus.",
    "assets": "Show a venue's money, declare another, say in which an instrument is quoted.",
    "audit": "Every order's life from a journal: chained, verified, asked; reports to regulators.",
    "backtest": "Run strategies over recorded days: fills by queue position, on many cores.",
    "bars": "Bars of what a journal's market traded: a second, a minute, a day.",
    "bench": "Measure on this machine: medians over interleaved rounds, each with its error.",
    "check-book": "Run recorded messages through our matcher; compare its book with the recorded "
    "one.",
    "client": "Trade with a venue: a prompt, or a load of orders.",
    "clock": "What time it is, how wrong that may be, and whether RTS 25's 100 us hold.",
    "corporate": "Dividends, splits and the reference price of a running venue's instrument.",
    "deposit": "Give PARTICIPANT an AMOUNT, in whole units of the asset: sequenced and journaled.",
    "deploy": "Compare the builds of what runs; prove a new build on a journal before it opens the "
    "venue.",
    "cluster": "Three nodes of NATS JetStream on this machine, or what one elsewhere holds.",
    "console": "Serve the page from which a venue (FILE) is watched and run, until Control-C.",
    "doctor": "Say what this host does to latency, what it costs here, and what changes it.",
    "dr": "Copy a replicated journal to files; restore a venue from them alone.",
    "drill": "Kill, stop, cut off and corrupt a throw-away replicated venue; report what was lost.",
    "dump": "Everything about a venue in one file, for an investigation: take one, read one.",
    "emergency-close": "Close a running venue's market at once, in six steps of its journal.",
    "feed": "Public market data: write a journal's feed to a file, listen to a live one.",
    "failover": "Stop the primary whose venue file FILE is, so that a standby takes over at once.",
    "fees": "Show or set the fee schedules of a venue, and who pays by which.",
    "halt": "Halt an instrument of a running venue, or all; cancels are still taken.",
    "journal": "Look into a journal, prove it, mend it, ask it.",
    "kill": "Stop a session, participant, group, instrument or the market; cancel what is open.",
    "ledger": "Balances, statements, fees, positions and profits of a journal, proven to add up.",
    "limits": "Show or set the limits of a venue's participants and instruments.",
    "logs": "What a venue has said of itself; --follow goes on with what it says.",
    "metrics": "Serve the metrics of a venue (FILE), or of every pipeline that runs, until "
    "Control-C.",
    "proof": "Proofs of what a venue owes: a Merkle sum tree, verified by each member offline.",
    "reconcile": "Compare journal, ledger, the core's risk and the store; name the first sequence "
    "they part at.",
    "replay": "Rebuild the book from a journal alone and compare with what the run recorded.",
    "resume": "Let trade again what was halted or killed; the whole market takes two operators.",
    "rings": "List the rings on this machine: fill, rate, cursors, and who is attached, alive or "
    "dead.",
    "run": "Run orders through the whole pipeline and say what happened.",
    "screen": "Serve the page on which participants of a venue (FILE) trade, until Control-C.",
    "send": "Send orders as UDP packets, listen for the replies, report the round trip.",
    "serve": "Open a venue and keep it open, day after day, until Control-C or SIGTERM.",
    "settlement": "Obligations, nets, delivery against payment, dividends and splits, from CSV "
    "files.",
    "surveillance": "Market abuse in a journal: detectors, cases with evidence, their life.",
    "simulate": "Run a protocol through seeded histories of faults, in one process, and judge "
    "each.",
    "standby": "Follow the venue of FILE, and take it over when its primary is gone.",
    "top": "Look at running pipelines: rings, stages, durable lag, latency so far.",
    "venue": "Make a venue file, check it, inspect the venue (`outcry serve` opens it).",
    "withdraw": "Take an AMOUNT from PARTICIPANT, in whole units: to outside at most what is "
    "available.",
}
"""Each subcommand, and what its help begins with: `outcry --help` imports none of them.  The module
of that name in this folder has the command under its own name."""


class OutcryGroup(click.Group):
    """Imports a subcommand when it is asked for; turns an error that a user can cause into one line
    and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        with leaving_at_once():
            command: click.Command = getattr(import_module(f"openoutcry.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        limit = formatter.width - 6 - max(map(len, SUBCOMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, click.Command(name, help=SUBCOMMANDS[name]).get_short_help_str(limit))
                    for name in self.list_commands(ctx)
                ]
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # What a command writes (journals, cases, exports, reports) is its user's alone.
        before = os.umask(0o077)
        try:
            return self._invoked(ctx)
        finally:
            os.umask(before)

    def _invoked(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.meta[AS_JSON]:
                click.echo(json.dumps({"error": error.format_message()}))
            raise
        except (KeyboardInterrupt, click.Abort):
            if ctx.meta[AS_JSON]:
                click.echo(json.dumps({"error": "Aborted!"}))
            raise
        except OutcryError as error:
            text = str(error)
        except MemoryError:
            text = f"no memory is left: {A_LIMIT}"
        except OSError as error:
            # Of a path that was given; without a name it is no user's error, but for a limit.
            if error.filename is not None:
                text = f"{error.filename}: {error.strerror}"
            elif error.errno in LIMITS:
                text = f"{error.strerror}: {A_LIMIT}"
            else:
                raise
        click.echo(f"outcry: {text}", err=True)
        if ctx.meta[AS_JSON]:
            click.echo(json.dumps({"error": text}))
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
