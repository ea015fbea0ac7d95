"""``outcry doctor``: the host sheet."""

import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.host.doctor import examine
from openoutcry.host.findings import STATES, Finding
from openoutcry.host.info import host_info, processor
from openoutcry.wire.text import printable

MARKS = {
    "good": ("✓", "green"),
    "costs": ("!", "yellow"),
    "unseen": ("?", "blue"),
    "note": ("·", ""),
    "unfit": ("✗", "red"),
}


@click.command()
@click.option(
    "--venue",
    "file",
    type=PathArgument,
    is_flag=False,
    flag_value=Path("venue.toml"),
    help="Instead, list what makes this venue [venue.toml] unfit for production here.",
)
@as_json_option
def doctor(file: Path | None, as_json: bool) -> None:
    """Report what this host adds to latency and how to change it.

    The command reads settings and times them; it changes nothing and needs no root. It lists what
    it cannot see. Exit status 0; with --venue 1 if anything is not fit for production.
    """
    if file is not None:
        _examine_venue(file, as_json)
        return
    findings = examine()
    if as_json:
        document = {"findings": [asdict(finding) for finding in findings], "host": host_info()}
        click.echo(json.dumps(document))
        return
    _show(Console(), findings)


def _examine_venue(file: Path, as_json: bool) -> None:
    from openoutcry.operations.fitness import examine_venue
    from openoutcry.venue.file import read_venue

    findings = examine_venue(read_venue(file))
    unfit = sum(one.state == "unfit" for one in findings)
    if as_json:
        document = {"fit": not unfit, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(document))
    else:
        console = Console()
        _show_findings(console, findings)
        console.print(
            f"\n{unfit} not fit for production. Nothing was changed."
            if unfit
            else "\nEverything that was checked is fit for production."
        )
    if unfit:
        sys.exit(1)


def _show(console: Console, findings: list[Finding]) -> None:
    info = host_info()
    console.print(
        f"[bold]{processor(info)}[/]; {info['cores_usable']} cores; {platform.release()}",
        soft_wrap=True,
    )
    _show_findings(console, findings)
    counted = {state: sum(f.state == state for f in findings) for state in STATES}
    console.print(
        f"\n{counted['good']} good, {counted['costs']} cost latency, {counted['unseen']} cannot be "
        "seen from here. Nothing was changed."
    )


def _show_findings(console: Console, findings: list[Finding]) -> None:
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            console.print(f"\n[bold]{topic}[/]")
        mark, colour = MARKS[finding.state]
        # What is found may be the name of another user's process.
        name, what = printable(finding.name), printable(finding.what)
        line = Text.assemble((f" {mark} ", colour), (name, "bold"), f": {what}")
        console.print(line, soft_wrap=True)
        if finding.state != "good":
            console.print(Text(f"     why: {printable(finding.why)}", "dim"), soft_wrap=True)
        if finding.cost:
            console.print(Text(f"     here: {printable(finding.cost)}"), soft_wrap=True)
        if finding.change:
            console.print(Text(f"     change: {printable(finding.change)}", "cyan"), soft_wrap=True)
