"""``outcry bench history FILES``: documents of one subject over time, as a page of trends."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openoutcry.bench.results import Document, ResultError, read_document
from openoutcry.host.info import processor
from openoutcry.report.atomic_file import write_atomically
from openoutcry.report.bench_charts import trend_chart
from openoutcry.report.page import render_page
from openoutcry.report.quantity import quantity


def collect(paths: Sequence[Path]) -> dict[str, list[Document]]:
    """The documents of files and of folders' ``*.json`` by subject, each list by date.

    Raises :class:`ResultError` naming a file that is no document, or when there is none.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ResultError(f"no documents in {', '.join(map(str, paths))}")
    by_subject: dict[str, list[Document]] = {}
    for file in files:
        document = read_document(file)
        by_subject.setdefault(document["subject"], []).append(document)
    for documents in by_subject.values():
        documents.sort(key=lambda document: str(document.get("date", "")))
    return by_subject


def trends(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Each figure over the documents that have it, with its chart where there are two or more."""
    figures = [row for document in documents for row in document["results"]]
    shown = []
    for name, unit in dict.fromkeys((row["name"], row["unit"]) for row in figures):
        rows = [row for row in figures if (row["name"], row["unit"]) == (name, unit)]
        points = [(row["median"], *row["spread"]) for row in rows]
        first, last = points[0][0], points[-1][0]
        shown.append({
            "name": name, "count": len(rows), "first": quantity(first, unit),
            "last": quantity(last, unit), "chart": trend_chart(points, unit),
            "change": f"{100 * (last / first - 1):+.1f} %" if first else "",
        })  # fmt: skip
    return shown


def write_history(by_subject: dict[str, list[Document]], path: str | os.PathLike[str]) -> None:
    """Write the page, whole or not at all."""
    subjects = []
    for subject, documents in by_subject.items():
        hosts = {processor(document["host"]) for document in documents}
        sources = [
            (
                number,
                document.get("date", "no date"),
                document["commit"],
                document.get("partial") or "",
            )
            for number, document in enumerate(documents, 1)
        ]
        subjects.append({"name": subject, "hosts": sorted(hosts), "sources": sources,
                         "trends": trends(documents)})  # fmt: skip
    write_atomically(path, render_page("history_page.html", {}, subjects=subjects))
