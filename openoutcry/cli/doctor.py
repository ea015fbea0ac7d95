"""``outcry doctor``: the host sheet."""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.host.doctor import examine
from openoutcry.host.findings import STATES, Finding, Host
from openoutcry.host.info import host_info, processor
from openoutcry.host.settings import Setting, command, settings_of, write
from openoutcry.wire.errors import OutcryError
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
@click.option("--fix", is_flag=True, help="Instead, print the commands that would change settings.")
@click.option("--apply", is_flag=True, help="With --fix, as root: run them.")
@as_json_option
def doctor(file: Path | None, fix: bool, apply: bool, as_json: bool) -> None:
    """Report what this host adds to latency and how to change it.

    The command reads settings and times them; it changes nothing and needs no root. It lists what
    it cannot see. Exit status 0; with --venue 1 if anything is not fit for production. With --fix
    --apply it writes settings of the running kernel until the next boot, says how to take them
    back, and exits with 1 if the kernel refused any.
    """
    if apply and not fix:
        raise click.UsageError("--apply needs --fix")
    if fix and file is not None:
        raise click.UsageError("--fix is for the host, --venue for a venue: one at a time")
    if file is not None:
        _examine_venue(file, as_json)
        return
    if fix:
        _fix(Host(), apply, as_json)
        return
    findings = examine()
    if as_json:
        document = {"findings": [asdict(finding) for finding in findings], "host": host_info()}
        click.echo(json.dumps(document))
        return
    _show(Console(), findings)


def _fix(host: Host, apply: bool, as_json: bool) -> None:
    findings = examine(host)
    found = settings_of(host, findings)
    if apply and os.geteuid():
        raise OutcryError("this needs root: sudo outcry doctor --fix --apply")
    why = {one: write(host, one) for one in found} if apply else {}
    refused = sum(map(bool, why.values()))
    if as_json:
        rows = [one._asdict() | ({"refused": why[one]} if apply else {}) for one in found]
        click.echo(json.dumps({"settings": rows, "applied": apply}))
    else:
        for one in found:
            line = f"{command(one.path, one.value)}  # {one.name}: {one.was}"
            click.echo(f"{line}, refused: {why[one]}" if why.get(one) else line)
        _show_rest(findings, [one for one in found if not why.get(one)], apply)
    if refused:
        raise OutcryError(f"{refused} of {len(found)} settings were refused")


def _show_rest(findings: list[Finding], done: list[Setting], applied: bool) -> None:
    if applied and done:
        click.echo("\nChanged until the next boot. To take it back:")
        for one in done:
            click.echo(command(one.path, one.was))
    by_hand = [one for one in findings if one.state == "costs" and one.change and not one.settings]
    if by_hand:
        click.echo("\nBy hand:")
    for finding in by_hand:
        click.echo(f"  {printable(finding.name)}: {printable(finding.change or '')}")
    if not applied:
        end = "As root, `outcry doctor --fix --apply` runs them." if done else ""
        click.echo(f"\n{len(done)} settings would change. Nothing was changed. {end}".rstrip())


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
