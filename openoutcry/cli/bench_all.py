"""``outcry bench all``: every subject, one report."""

from pathlib import Path

import click

from openoutcry.bench import suite
from openoutcry.bench.exports import write_all_exports
from openoutcry.bench.rounds import terminable
from openoutcry.bench.subjects import SUBJECTS
from openoutcry.cli.bench_document import check_output_paths
from openoutcry.cli.options import PathArgument, Whole, as_json_option
from openoutcry.report.bench_report import write_bench_report
from openoutcry.report.terminal import show


@click.command("all")
@click.option("--rounds", type=Whole(1), help="Rounds per subject [7, quick 2].")
@click.option("--quick", is_flag=True, help="Take ten minutes on two cores instead of an hour.")
@click.option("--subjects", metavar="LIST", help="Subjects, comma-separated [all].")
@click.option(
    "--out", type=PathArgument, metavar="DIR", help="Write each subject's document to this folder."
)
@click.option("--report", type=PathArgument, help="Write the report to this file [bench.html].")
@click.option(
    "--export",
    type=PathArgument,
    metavar="DIR",
    help="Write Parquet and Prometheus files, in a folder per subject.",
)
@as_json_option
def bench_all(
    rounds: int | None,
    quick: bool,
    subjects: str | None,
    out: Path | None,
    report: Path | None,
    export: Path | None,
    as_json: bool,
) -> None:
    """Measure every subject and write one report.

    Each subject runs in its own process."""
    names = None if subjects is None else [name.strip() for name in subjects.split(",")]
    for name in names or []:
        if name not in SUBJECTS:
            raise click.BadParameter(
                f"unknown subject {name!r}: choose from {', '.join(SUBJECTS)}",
                param_hint="--subjects",
            )
    page = report or Path("bench.html")
    check_output_paths(("out", "export"), out=out, report=page, export=export)
    with terminable():
        documents, partial = suite.bench_all(
            rounds, quick, lambda text: click.echo(text, err=True), names
        )
    if documents:
        write_bench_report(documents, page)
    if out:
        suite.write_all(documents, out)
    if export:
        write_all_exports(documents, export)
    if as_json:
        click.echo(suite.as_json(documents, partial))
    else:
        for document in documents:
            show(document)
        click.echo(f"report: {page}")
    if partial or any(document.get("partial") for document in documents):
        click.echo(f"partial: {partial or 'see what is missing'}", err=True)
        raise SystemExit(1)
