"""``outcry doctor``: the host sheet."""

import json
import platform
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from openoutcry.cli.options import as_json_option
from openoutcry.host.doctor import examine
from openoutcry.host.findings import STATES, Finding
from openoutcry.host.info import host_info, processor

MARKS = {
    "good": ("✓", "green"),
    "costs": ("!", "yellow"),
    "unseen": ("?", "blue"),
    "note": ("·", ""),
}


@click.command()
@as_json_option
def doctor(as_json: bool) -> None:
    """Say what this host does to latency, what it costs here, and what changes it.

    Reads and times, changes nothing, needs no root; what cannot be seen is said.  Exit status 0.
    """
    findings = examine()
    if as_json:
        document = {"findings": [asdict(finding) for finding in findings], "host": host_info()}
        click.echo(json.dumps(document))
        return
    _show(Console(), findings)


def _show(console: Console, findings: list[Finding]) -> None:
    info = host_info()
    console.print(
        f"[bold]{processor(info)}[/]; {info['cores_usable']} cores; {platform.release()}",
        soft_wrap=True,
    )
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            console.print(f"\n[bold]{topic}[/]")
        mark, colour = MARKS[finding.state]
        line = Text.assemble((f" {mark} ", colour), (finding.name, "bold"), f": {finding.what}")
        console.print(line, soft_wrap=True)
        if finding.state != "good":
            console.print(Text(f"     why: {finding.why}", "dim"), soft_wrap=True)
        if finding.cost:
            console.print(Text(f"     here: {finding.cost}"), soft_wrap=True)
        if finding.change:
            console.print(Text(f"     change: {finding.change}", "cyan"), soft_wrap=True)
    counted = {state: sum(f.state == state for f in findings) for state in STATES}
    console.print(
        f"\n{counted['good']} good, {counted['costs']} cost latency, {counted['unseen']} cannot be "
        "seen from here. Nothing was changed."
    )
