"""``outcry ledger reconcile``: compare journal, ledger, the core's risk and the store."""

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openoutcry.cli.options import PathArgument, Secret, as_json_option

if TYPE_CHECKING:
    from openoutcry.ledger.reconcile import Verdict

LOOK_S = 0.5


@click.command()
@click.argument("journal", type=PathArgument)
@click.option(
    "--ledger",
    "url",
    type=Secret(),
    help="Use this database (postgresql://…) instead of files next to the journal.",
)
@click.option("--follow", is_flag=True, help="Follow the journal: compare twice a second.")
@click.option(
    "--since-last", is_flag=True, help="Start at the newest checkpoint that was already compared."
)
@as_json_option
def reconcile(
    journal: Path, url: str | None, follow: bool, since_last: bool, as_json: bool
) -> None:
    """Compare journal, ledger, the core's risk and the store.

    The command names the first command at which they differ; exit status 1 if they do. --json
    prints a line for each comparison with something new. Each result is stored next to the journal,
    for metrics and alarms.
    """
    from openoutcry.ledger.ledger_state import oldest
    from openoutcry.ledger.reconcile import Reconciliation, load_last_reconciled, note, stops

    work = Reconciliation(journal, url, load_last_reconciled if since_last else oldest)
    if not follow:
        verdict = work.advance()
        note(journal, verdict)
        _show(verdict, as_json)
    else:
        from openoutcry.cli.aside import Bystander

        ended: list[int] = []
        bystander = Bystander()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.append(1))

        bystander.poll()

        def pause() -> bool:
            bystander.poll()
            until = time.monotonic() + LOOK_S
            while not ended and time.monotonic() < until:
                time.sleep(0.05)
            return not ended

        seen, verdict = -1, None
        say = lambda text: click.echo(f"outcry: {text}; waiting for it", err=True)  # noqa: E731
        for verdict in stops(work, pause, say):
            note(journal, verdict)
            if verdict.seq != seen or verdict.difference is not None:
                _show(verdict, as_json)
            seen = verdict.seq
            bystander.poll()
            if ended:
                break
    if verdict is None or verdict.difference is not None:
        sys.exit(1)


def _show(verdict: "Verdict", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(verdict)))
        return
    parts = verdict.difference
    if parts is not None:
        click.echo(
            f"DISCREPANCY from command {parts.seq:,}, event {parts.event_seq:,}: {parts.what}"
        )
        return
    risk = "the core's risk" if verdict.has_risk else "no risk in the core"
    store = "no store"
    if verdict.store_event_seq is not None:
        behind = max(0, verdict.event_seq - verdict.store_event_seq)
        store = f"store (up to event {verdict.store_event_seq:,}, {behind:,} behind)"
    click.echo(f"equal up to command {verdict.seq:,}: journal, ledger, {risk}, {store}")
    if verdict.torn:
        click.echo(f"the journal's end is torn: {verdict.torn}")
    if verdict.unwatermarked:
        click.echo(
            f"whether acknowledged commands are missing at the end is unknown: "
            f"{verdict.unwatermarked}"
        )
