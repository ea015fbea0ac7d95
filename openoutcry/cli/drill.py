"""``outcry cluster drill``: break a replicated venue on purpose."""

import json
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from openoutcry.cli.options import PathArgument, Whole, as_json_option


@click.command()
@click.option(
    "--faults",
    type=Whole(1, 100_000),
    default=15,
    show_default=True,
    help="Number of faults; each kind in turn, in an order drawn from the seed.",
)
@click.option("--kinds", metavar="LIST", help="Kinds of faults, comma-separated [all].")
@click.option(
    "--seed",
    type=Whole(0),
    default=1,
    show_default=True,
    help="Seed of the order of the faults.",
)
@click.option(
    "--rate",
    type=Whole(1, 20_000),
    default=200,
    show_default=True,
    help="Orders per second that the client sends.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after this many minutes, whatever --faults says.",
)
@click.option("--keep", type=PathArgument, help="Work in this folder and keep it.")
@click.option("--report", type=PathArgument, help="Write the report (JSON) to this file.")
@click.option("--evidence", is_flag=True, help="Write docs/evidence/replication_drill_seed_N.json.")
@as_json_option
def drill(
    faults: int,
    kinds: str | None,
    seed: int,
    rate: int,
    minutes: float | None,
    keep: Path | None,
    report: Path | None,
    evidence: bool,
    as_json: bool,
) -> None:
    """Break a throw-away replicated venue; report what it lost.

    \b
    outcry cluster drill
    outcry cluster drill --faults 200 --report drill.json --evidence
    outcry cluster drill --kinds "kill primary,partition leader" --faults 10

    The faults kill, stop, isolate and corrupt processes. The command needs root: it creates a
    network namespace and removes it.
    """
    from openoutcry.bench.drill_faults import FAULTS
    from openoutcry.bench.drill_run import run_drill

    chosen = tuple(kind.strip() for kind in kinds.split(",")) if kinds else tuple(FAULTS)
    for kind in chosen:
        if kind not in FAULTS:
            raise click.UsageError(f"unknown kind {kind!r}: choose from {', '.join(FAULTS)}")
    limit_s = 60 * minutes if minutes else float("inf")
    say = partial(click.echo, err=True)
    document = run_drill(faults, seed, chosen, rate, keep, say, limit_s)
    if evidence:
        from openoutcry.report.evidence import write_evidence

        write_evidence(
            f"replication_drill_seed_{seed}",
            figures_of(document),
            " ".join(["outcry", *sys.argv[1:]]),
        )
    if report:
        report.write_text(json.dumps(document, indent=1) + "\n")
    if as_json:
        click.echo(json.dumps(document))
    else:
        _print(document)
    if not document["passed"]:
        sys.exit(1)


def gaps_of(document: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return, by kind of fault, how often it occurred and how long clients were without
    an answer."""
    rows: dict[str, list[float]] = {}
    for fault in document["faults"]:
        rows.setdefault(fault["kind"], []).append(fault["gap_s"])
    return {
        kind: {"times": len(gaps), "median_s": median(gaps), "longest_s": max(gaps)}
        for kind, gaps in sorted(rows.items())
    }


def figures_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that are kept as evidence."""
    same = (
        "sent", "acknowledged", "lost", "doubled", "reordered", "woken_primaries",
        "released_by_woken", "hashes_equal", "nodes_equal", "state_hash", "restored_state_hash",
        "lease_ms", "seed", "rate", "seconds", "passed",
    )  # fmt: skip
    figures = {"faults": len(document["faults"]), "gaps": gaps_of(document)}
    return figures | {name: document[name] for name in same} | {"ended": document.get("ended", "")}


def _print(document: dict[str, Any]) -> None:
    for kind, gaps in gaps_of(document).items():
        click.echo(
            f"{kind}: {gaps['times']} times; without an answer for {gaps['median_s']:.3f} s "
            f"(median), {gaps['longest_s']:.3f} s (longest)"
        )
    click.echo(
        f"{len(document['faults'])} faults, seed {document['seed']}, {document['rate']} orders a "
        f"second for {document['seconds']:,.0f} s: {document['sent']:,} sent, "
        f"{document['acknowledged']:,} acknowledged"
    )
    click.echo(
        f"lost {document['lost']}, doubled {document['doubled']}, reordered "
        f"{document['reordered']}; restored from the stream alone: state "
        f"{document['restored_state_hash']}, "
        + ("equal to the primary's" if document["hashes_equal"] else "NOT THE PRIMARY'S")
        + ("; the nodes' disks agree" if document["nodes_equal"] else "; THE NODES DIFFER")
    )
    if document["woken_primaries"]:
        click.echo(
            f"{document['woken_primaries']} old primaries woken after another led: "
            f"{document['released_by_woken']} events released by them"
        )
    for fault in document["faults"]:
        if fault["note"].endswith("NOT DETECTED"):
            click.echo(f"{fault['kind']} {fault['target']}: {fault['note']}")
