"""``outcry bench SUBJECT``: measure, in rounds, and say how sure each figure is."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from openoutcry.bench.rounds import terminable
from openoutcry.bench.subjects import QUICK_ROUNDS, ROUNDS, SUBJECTS, Subject
from openoutcry.cli.bench_all import bench_all
from openoutcry.cli.bench_compare import compare
from openoutcry.cli.bench_document import check_output_paths, give
from openoutcry.cli.check_book import check_book
from openoutcry.cli.options import PathArgument, Whole


class Subjects(click.Group):
    """The group whose commands are the subjects, so that each has its own --help."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = ", ".join(sorted(self.commands))
            raise click.UsageError(f"unknown subject {args[0]!r}: choose from {known}")
        return super().resolve_command(ctx, args)


@click.group(cls=Subjects, invoke_without_command=True)
@click.option("--setup", is_flag=True, help="Install the peers of every subject, and exit.")
@click.pass_context
def bench(context: click.Context, setup: bool) -> None:
    """Measure on this machine; report medians with their errors."""
    if setup:
        raise SystemExit(max(s.function(s.setup)() for s in SUBJECTS.values() if s.setup))
    if context.invoked_subcommand is None:
        raise click.UsageError("name a subject: " + ", ".join(sorted(bench.commands)))


def subject_command(subject: Subject) -> click.Command:
    """The command of one subject: the options that all have, and its own."""
    parameters: list[click.Parameter] = [
        click.Option(
            ["--rounds"], type=Whole(1), help="Number of interleaved rounds [7, quick 3]."
        ),
        click.Option(
            ["--quick"],
            is_flag=True,
            help="Measure for a shorter time; do not quote these figures.",
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="Print one JSON document on standard output."
        ),
        click.Option(["--out"], type=PathArgument, help="Write the document to this file."),
        click.Option(["--report"], type=PathArgument, help="Write an HTML report to this file."),
        click.Option(
            ["--export"],
            type=PathArgument,
            metavar="DIR",
            help="Write Parquet and Prometheus files to this folder; for the pipeline also "
            "HdrHistogram files and a Perfetto trace.",
        ),
    ]
    if subject.peers:
        parameters.append(
            click.Option(
                ["--against"], metavar="LIST", help="Peers to compare with, comma-separated [all]."
            )
        )
    if subject.setup:
        parameters.append(
            click.Option(["--setup"], is_flag=True, help="Install the peers' packages, and exit.")
        )
    parameters += [
        click.Option([f"--{name}"], is_flag=True, help=what) for name, what in subject.flags
    ]
    parameters += [
        click.Option([f"--{name}"], type=PathArgument, metavar=kind, help=what)
        for kind, options in (("FILE", subject.instead), ("DIR", subject.within))
        for name, _, what in options
    ]
    return click.Command(
        subject.name,
        params=parameters,
        help=f"Measure {subject.what}.\n\n{subject.details}".rstrip(),
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
    **flags: Any,
) -> None:
    if setup:
        raise SystemExit(subject.function(subject.setup)())
    check_output_paths(out=out, report=report, export=export)
    for name, function, _ in subject.instead:
        file = flags.pop(name.replace("-", "_"))
        if file is not None:
            click.echo(subject.function(function)(file, out))
            return
    folders = {name: flags.pop(name.replace("-", "_")) for name, _, _ in subject.within}
    measure = partial(subject.function(subject.measure), **flags)
    inside = next((entry for entry in subject.within if folders[entry[0]] is not None), None)
    if inside is not None:
        measure = partial(
            subject.function(inside[1]), folder=folders[inside[0]], against=against, **flags
        )
    elif subject.peers:
        try:
            measure = partial(measure, peers=subject.function(subject.peers)(against))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--against") from None
    count = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    command = f"outcry bench {subject.name} --rounds {count}" + (" --quick" if quick else "")
    command += f" --against {against}" if against is not None else ""
    command += f" --{inside[0]} DIR" if inside is not None else ""
    command += "".join(f" --{name}" for name, is_set in flags.items() if is_set)
    with terminable():
        document = measure(count, quick, command, lambda text: click.echo(text, err=True))
    give(document, as_json, out, report, export)


for _command in (bench_all, check_book, compare, *map(subject_command, SUBJECTS.values())):
    bench.add_command(_command)
