"""Where the documents of ``outcry bench`` go: terminal, files, pages."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from openoutcry.bench.exports import require_libraries, write_exports
from openoutcry.bench.results import write_document
from openoutcry.report.bench_report import write_bench_report
from openoutcry.report.terminal import show
from openoutcry.wire.errors import OutcryError


def check_output_paths(folders: Sequence[str] = ("export",), **places: Path | None) -> None:
    """Check the paths before an hour of measuring.  The places in ``folders`` are folders."""
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
        require_libraries()


def give(
    document: dict[str, Any],
    as_json: bool,
    out: Path | None,
    report: Path | None,
    export: Path | None,
) -> None:
    """Write and print a document; a partial one ends with exit status 1, as it is not what was
    asked for."""
    if out:
        write_document(document, out)
    if report:
        write_bench_report([document], report)
    if export:
        write_exports(document, export)
    if as_json:
        click.echo(json.dumps(document))
    else:
        show(document)
    if document.get("partial"):
        click.echo(f"partial: {document['partial']}", err=True)
        raise SystemExit(1)
