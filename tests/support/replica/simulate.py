"""Simulate the replication protocol: seeded histories with every fault, judged.

python -m tests.support.replica.simulate --seeds 200
"""

import json
import time
from typing import Any

import click

from tests.support.replica.simulator import Violation, run_history
from tests.support.replica.simulator_jobs import Progress, simulate_all


@click.command()
@click.option(
    "--seeds", type=click.IntRange(1), default=2000, show_default=True, help="Number of histories."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the first history; the others follow it.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after this many minutes, whatever --seeds says.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Number of processes that share the seeds; the findings are the same.",
)
@click.option("--trace", is_flag=True, help="Print the history of --seed, step by step.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate(
    seeds: int, seed: int, minutes: float | None, jobs: int, trace: bool, as_json: bool
) -> None:
    """Simulate a cluster, its clients and clocks, with faults.

    \b
    python -m tests.support.replica.simulate --seeds 100000000 --minutes 60 --jobs 3
    python -m tests.support.replica.simulate --seed 1164 --trace

    The simulation runs the protocol's own code. Each seed is one history: lost, duplicated and late
    messages, partitions, pauses, crashes, torn blocks, damaged reads, clocks that jump. Exit status
    1 if a history breaks a promise; `--seed N --trace` prints it.
    """
    if trace:
        try:
            run_history(seed, lambda text: click.echo(text))
        except Violation as error:
            raise click.ClickException(f"seed {seed}: {error}") from None
        click.echo(f"seed {seed}: nothing was lost, doubled, reordered or published twice")
        return
    started = time.monotonic()
    deadline_s = started + 60 * minutes if minutes is not None else float("inf")

    def progress(now: Progress) -> None:
        click.echo(
            f"{now.histories:,} histories, {now.violations} violations, "
            f"{now.steps / (time.monotonic() - started):,.0f} steps/s",
            err=True,
        )

    findings = simulate_all(range(seed, seed + seeds), jobs, deadline_s, progress)
    seconds = time.monotonic() - started
    document = {
        "seed": seed,
        "jobs": jobs,
        "histories": findings.histories,
        "steps": findings.steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(findings.steps / seconds),
        "commands_acknowledged": findings.released,
        "promotions": findings.promotions,
        "faults": findings.faults,
        "dead_messages": findings.dead_messages,
        "violations": [{"seed": at, "text": text} for at, text in findings.violations],
    }
    _show(document, as_json)
    if findings.violations:
        raise click.exceptions.Exit(1)


def _show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(
        f"{document['histories']:,} histories, {document['steps']:,} steps "
        f"({document['steps_per_second']:,} a second), {document['faults']:,} faults, "
        f"{document['promotions']:,} promotions, {document['commands_acknowledged']:,} commands "
        "acknowledged"
    )
    for row in document["violations"][:20]:
        click.echo(f"seed {row['seed']}: {row['text']}")
    count = len(document["violations"])
    click.echo(
        f"{count:,} histories broke a promise: `--seed N --trace` prints one"
        if count
        else "none broke a promise"
    )


if __name__ == "__main__":
    simulate()
