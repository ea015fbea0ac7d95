"""``outcry doctor``: what this host does to latency, what that costs here, and what changes it.

Nothing is ever changed: files under /proc and /sys are read, short loops are timed, and each
finding names the command that an administrator would type.  A host that does not tell something is
answered with "cannot see", never with a guess.
"""

import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from openoutcry.pipeline.host import host_info, processor

STATES = ("good", "costs", "unseen", "note")
MARKS = {
    "good": ("✓", "green"),
    "costs": ("!", "yellow"),
    "unseen": ("?", "blue"),
    "note": ("·", ""),
}


@dataclass(frozen=True)
class Finding:
    """One thing about the host.

    ``state``: ``good`` as it is, ``costs`` latency, ``unseen`` (the host does not tell, with the
    reason in ``what``), ``note`` (a fact).  ``cost`` is what it costs on this host, measured just
    now, or None.  ``change`` is the exact command that changes it, or None where none would.
    """

    topic: str
    name: str
    state: str
    what: str
    why: str
    cost: str | None = None
    change: str | None = None


class Host:
    """Where ``proc``, ``sys`` and ``dev`` are read from: ``/``, or a folder in tests."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self.base = Path(root)

    def text(self, path: str) -> str | None:
        """A file's text without the line's end; None where it cannot be read."""
        try:
            return (self.base / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def names(self, path: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.base / path).iterdir())
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """The last part of what a link points to."""
        try:
            return os.path.basename(os.readlink(self.base / path))
        except OSError:
            return None

    def boot_options(self) -> dict[str, str]:
        """The kernel's command line as names and values."""
        words = (self.text("proc/cmdline") or "").split()
        return {name: value for name, _, value in (word.partition("=") for word in words)}


Check = Callable[[Host], Iterable[Finding]]


def cores_of(text: str | None) -> list[int]:
    """The kernel's list of cores, "0-2,5", as numbers."""
    cores: list[int] = []
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.strip().isdigit():
            cores += range(int(first), int(last or first) + 1)
    return cores


def examine(host: Host | None = None) -> list[Finding]:
    """Every finding, in the sheet's order.  A check that fails says so in its own place."""
    from openoutcry.bench import doctor_cores, doctor_devices, doctor_kernel

    here = host or Host()
    found: list[Finding] = []
    for check in (*doctor_cores.CHECKS, *doctor_kernel.CHECKS, *doctor_devices.CHECKS):
        try:
            found += check(here)
        except Exception as error:
            name = check.__name__.replace("_", " ")
            why = "the sheet goes on without it"
            found.append(Finding("sheet", name, "unseen", f"cannot see: {error!r}", why))
    return found


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
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


def measured(cost: Callable[[], Any]) -> Any:
    """A measured figure, or None where this host does not let it be taken."""
    try:
        return cost()
    except Exception:
        return None
