"""``outcry bench SUBJECT``: measure, in rounds, and say how sure each figure is."""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from openoutcry.bench.compare import compare_command
from openoutcry.bench.history import history_command
from openoutcry.bench.show import show
from openoutcry.bench.subjects import SUBJECTS, Subject
from openoutcry.wire import OutcryError

ROUNDS, QUICK_ROUNDS = 7, 3
FILE = click.Path(path_type=Path)


class Subjects(click.Group):
    """The group whose commands are the subjects, so that each has its own --help."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = ", ".join(sorted(self.commands))
            raise click.UsageError(f"unknown subject {args[0]!r}: choose from {known}")
        return super().resolve_command(ctx, args)


@click.group(cls=Subjects, invoke_without_command=True)
@click.option("--setup", is_flag=True, help="Install every subject's peers, measure nothing.")
@click.pass_context
def bench(context: click.Context, setup: bool) -> None:
    """Measure on this machine: medians over interleaved rounds, each with its error."""
    if setup:
        raise SystemExit(max(s.function(s.setup)() for s in SUBJECTS.values() if s.setup))
    if context.invoked_subcommand is None:
        raise click.UsageError("name a subject: " + ", ".join(sorted(bench.commands)))


def subject_command(subject: Subject) -> click.Command:
    """The command of one subject: the options that all have, and its own."""
    parameters: list[click.Parameter] = [
        click.Option(["--rounds"], type=click.IntRange(1), help="Interleaved rounds [7, quick 3]."),
        click.Option(
            ["--quick"], is_flag=True, help="Shorter runs: figures to look at, not to quote."
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="One JSON document on standard output."
        ),
        click.Option(["--out"], type=FILE, help="Write the document to this file."),
        click.Option(["--report"], type=FILE, help="Write an HTML report to this file."),
        click.Option(
            ["--export"],
            type=FILE,
            metavar="DIR",
            help="Write Parquet and Prometheus files there; of the pipeline also HdrHistogram "
            "files and a trace for Perfetto.",
        ),
    ]
    if subject.peers:
        parameters.append(
            click.Option(["--against"], metavar="LIST", help="Peers, comma-separated [all].")
        )
    if subject.setup:
        parameters.append(
            click.Option(
                ["--setup"], is_flag=True, help="Install the peers' packages, measure nothing."
            )
        )
    parameters += [click.Option([f"--{name}"], is_flag=True, help=what)
                   for name, what in subject.flags]  # fmt: skip
    return click.Command(
        subject.name,
        params=parameters,
        help=f"Measure {subject.what}.",
        short_help=subject.what,
        callback=partial(_measure, subject),
    )


def _measure(
    subject: Subject,
    rounds: int | None,
    quick: bool,
    as_json: bool,
    out: Path | None,
    report: Path | None = None,
    export: Path | None = None,
    against: str | None = None,
    setup: bool = False,
    **flags: bool,
) -> None:
    from openoutcry.bench.rounds import terminable

    if setup:
        raise SystemExit(subject.function(subject.setup)())
    check_places(out=out, report=report, export=export)
    measure = partial(subject.function(subject.measure), **flags)
    if subject.peers:
        try:
            measure = partial(measure, peers=subject.function(subject.peers)(against))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--against") from None
    count = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    command = f"outcry bench {subject.name} --rounds {count}" + (" --quick" if quick else "")
    command += f" --against {against}" if against is not None else ""
    command += "".join(f" --{name}" for name, given in flags.items() if given)
    with terminable():
        made = measure(count, quick, command, lambda text: click.echo(text, err=True))
    give(made, as_json, out, report, export)


def check_places(folders: Sequence[str] = ("export",), **places: Path | None) -> None:
    """Nobody measures for an hour to lose it.  ``folders``: which of the places are folders."""
    for name, place in places.items():
        if not place:
            continue
        parent = place.absolute().parent
        if not parent.is_dir():
            raise OutcryError(f"--{name} {place}: there is no folder {parent}")
        if not os.access(parent, os.W_OK):
            raise OutcryError(f"--{name} {place}: the folder {parent} cannot be written to")
        if place.exists() and place.is_dir() != (name in folders):
            is_what = "a folder" if place.is_dir() else "a file"
            raise OutcryError(f"--{name} {place}: there is {is_what} of that name")
    if places.get("export"):
        from openoutcry.bench.exports import need

        need("pyarrow")
        need("hdrh.histogram")


def give(
    made: dict[str, Any], as_json: bool, out: Path | None, report: Path | None, export: Path | None
) -> None:
    """Write and print a document; a partial one ends with exit status 1, as it is not what was
    asked for."""
    from openoutcry.bench.results import write_document

    if out:
        write_document(made, out)
    if report:
        from openoutcry.bench.lab_report import write_lab_report

        write_lab_report([made], report)
    if export:
        from openoutcry.bench.exports import write_exports

        write_exports(made, export)
    if as_json:
        click.echo(json.dumps(made))
    else:
        show(made)
    if made.get("partial"):
        click.echo(f"partial: {made['partial']}", err=True)
        raise SystemExit(1)


@bench.command("all", short_help="every subject, one report")
@click.option("--rounds", type=click.IntRange(1), help="Rounds a subject [7, quick 2].")
@click.option("--quick", is_flag=True, help="Ten minutes on two cores instead of an hour.")
@click.option("--subjects", metavar="LIST", help="Some subjects, comma-separated [all].")
@click.option("--out", type=FILE, metavar="DIR", help="Write each subject's document there.")
@click.option("--report", type=FILE, help="Where the report goes [bench.html].")
@click.option("--export", type=FILE, metavar="DIR", help="As of one subject, in a folder each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def everything(
    rounds: int | None,
    quick: bool,
    subjects: str | None,
    out: Path | None,
    report: Path | None,
    export: Path | None,
    as_json: bool,
) -> None:
    """Measure every subject, each in a process of its own, and leave one report."""
    from openoutcry.bench import everything as all_of_them
    from openoutcry.bench.lab_report import write_lab_report
    from openoutcry.bench.rounds import terminable

    names = None if subjects is None else [name.strip() for name in subjects.split(",")]
    for name in names or []:
        if name not in SUBJECTS:
            raise click.BadParameter(
                f"unknown subject {name!r}: choose from {', '.join(SUBJECTS)}",
                param_hint="--subjects",
            )
    page = report or Path("bench.html")
    check_places(("out", "export"), out=out, report=page, export=export)
    with terminable():
        made, partial = all_of_them.bench_all(
            rounds, quick, lambda text: click.echo(text, err=True), names
        )
    if made:
        write_lab_report(made, page)
    if out:
        all_of_them.write_all(made, out)
    if export:
        from openoutcry.bench.exports import write_all_exports

        write_all_exports(made, export)
    if as_json:
        click.echo(all_of_them.as_json(made, partial))
    else:
        for one in made:
            show(one)
        click.echo(f"report: {page}")
    if partial or any(one.get("partial") for one in made):
        click.echo(f"partial: {partial or 'see what is missing'}", err=True)
        raise SystemExit(1)


bench.add_command(compare_command)
bench.add_command(history_command)
for _subject in SUBJECTS.values():
    bench.add_command(subject_command(_subject))
