"""Measure what the documents quote and write it to ``docs/evidence/``: ``make evidence``, or
``make evidence ARGS="matcher shim"`` for some of it, or ``ARGS="--from DIR"`` for what
``outcry bench all --out DIR`` has measured.

Takes half an hour on two cores that have nothing else to do.  The kill figures are written by
``make test-long``.
"""

import sys
from pathlib import Path

import click

from openoutcry.bench.check_book import check_book
from openoutcry.bench.results import read_document
from openoutcry.bench.subjects import ROUNDS, SUBJECTS, Subject
from openoutcry.report import tables
from openoutcry.report.evidence import ROOT, keep_document, write_evidence

DATA = ROOT.parent / "shared" / "data"


def collect(subject: Subject) -> None:
    """Measure a subject with all its rounds and keep its document as evidence."""
    command = f"outcry bench {subject.name} --rounds {ROUNDS}"
    measure = subject.function(subject.measure)
    keep_document(measure(ROUNDS, False, command, lambda text: print(text, file=sys.stderr)))


def collect_books(data: Path) -> None:
    """AAPL on NASDAQ, 2012-06-21 (LOBSTER samples): our book against the recorded one."""
    recordings = []
    for name, folder, book, seed, goal in (
        ("AAPL short, 50 levels", "lobster_aapl_short", "orderbook_50.csv", None, "every row"),
        (
            "AAPL hour, best bid and offer",
            "lobster_aapl_hour",
            "bbo_after_each_message.csv",
            "seed_book_row0_50levels.csv",
            "≥ 99.9 % of rows, ≥ 99 % of makers",
        ),
    ):
        place = data / folder
        result = check_book(place / "messages.csv", place / book, place / seed if seed else None)
        keys = ("rows", "equal", "executions", "maker_agrees", "repairs", "rejected", "levels")
        recordings.append({"name": name, "goal": goal, **{key: result[key] for key in keys}})
    command = "outcry bench check-book --lobster … --orderbook … [--seed-book …]"
    write_evidence("books", {"recordings": recordings}, command)


MEASURED = (
    "matcher",
    "pipeline",
    "ring",
    "shim",
    "clock",
    "journal",
    "sessions",
    "colocated",
    "tick-to-trade",
    "wire",
    "risk",
    "market-data",
    "operations",
    "portal",
    "ledger",
    "margin",
    "shards",
    "replication",
    "backtest",
)
"""The subjects that documents quote."""
GIVEN = ("harness",)
"""Documents that only a folder can give: what they measure is not part of this project."""


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read the documents of `outcry bench all --out` from this folder instead of measuring.",
)
def main(names: tuple[str, ...], folder: Path | None) -> None:
    """Measure NAMES (default: all), or read them from the documents in a folder."""
    names = names or (MEASURED if folder else ("books", *MEASURED))
    for name in names:
        if name not in ("books", *MEASURED, *GIVEN):
            known = ", ".join(("books", *MEASURED, *GIVEN))
            raise SystemExit(f"no evidence is called {name!r}: {known}")
        if name in GIVEN and folder is None:
            raise SystemExit(
                f"{name} is measured only on request: name its document's folder with --from"
            )
    if "books" in names and DATA.is_dir():
        collect_books(DATA)
    elif "books" in names:
        print(f"no recorded markets at {DATA}: books.json is left as it is", file=sys.stderr)
    for name in (*MEASURED, *GIVEN):
        if name in names and folder:
            keep_document(read_document(folder / f"{name}.json"))
        elif name in names:
            collect(SUBJECTS[name])
    tables.main()


if __name__ == "__main__":
    main()
