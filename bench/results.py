"""The one shape of every bench result: figures from interleaved rounds, with their errors.

A document is plain JSON::

    {"shape": 1, "subject": "ring",
     "results": [{"name": "...", "unit": "ns", "better": "lower",
                  "median": 0.0, "spread": [p25, p75], "samples": 0, "rounds": [...],
                  "against": {"PEER": {"median": 0.0, "ratio": 0.0, "interval": [lo, hi]}}}],
     "missing": [{"name": "...", "why": "..."}],
     "host": {...}, "commit": "...", "command": "...", "date": "..."}

``rounds`` holds each round's figure, in order.  A figure that could not be taken is listed in
``missing`` with its reason, never as a zero.  A document may also hold ``noise`` (what disturbed
the rounds), ``partial`` (why it holds fewer rounds than asked for) and ``details`` (a subject's
own pictures: maps, curves, the slowest orders).
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.commit import commit
from openoutcry.host.info import host_info
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import OutcryError

SHAPE = 1
"""Changes whenever a key's name or meaning does."""
UNITS = ("ns", "1/s", "B/s", "B", "count", "ppb", "s", "ms", "nJ")
BETTER = ("lower", "higher")
RESAMPLES = 2_000
CONFIDENCE_PERCENT = 95

Result = dict[str, Any]
Document = dict[str, Any]


class ResultError(OutcryError):
    """A result, or a file of results, is not of the shape this module declares."""


def summarise(
    name: str,
    unit: str,
    better: str,
    ours: Sequence[float],
    peers: Mapping[str, Sequence[float]] | None = None,
    *,
    seed: int = 1,
) -> Result:
    """Sum up one figure, taken once a round by us and by each peer in the same rounds.

    ``ours[i]`` and ``peers[x][i]`` are round i's figures, in ``unit``. The ``ratio`` is the median
    over the rounds of ours / peer's in that round. So a host that changes pace between rounds
    changes both. Its 95 % bootstrap interval is ``interval`` (:func:`ratio_interval`). Raises
    :class:`ResultError` naming figure, peer and round for what cannot be summed up.
    """
    figures = _figures(name, "ours", ours)
    against = {}
    for peer, samples in (peers or {}).items():
        theirs = _figures(name, peer, samples)
        if len(theirs) != len(figures):
            raise ResultError(
                f"{name}: {peer} has {len(theirs)} rounds and ours has {len(figures)}; "
                "only figures of the same rounds compare"
            )
        for number, value in enumerate(theirs):
            if value <= 0:
                raise ResultError(f"{name}: {peer}, round {number}: {value} has no ratio to it")
        ratios = figures / theirs
        against[peer] = {
            "median": float(np.median(theirs)),
            "ratio": float(np.median(ratios)),
            "interval": ratio_interval(ratios, seed),
        }
    low, high = np.percentile(figures, [25, 75])
    result = {
        "name": name,
        "unit": unit,
        "better": better,
        "median": float(np.median(figures)),
        "spread": [float(low), float(high)],
        "samples": len(figures),
        "rounds": [float(value) for value in figures],
        "against": against,
    }
    check_result(result, "this result")
    return result


def ratio_interval(ratios: Sequence[float] | np.ndarray[Any, Any], seed: int) -> list[float] | None:
    """The bootstrap 95 % interval of the median of ``ratios``, one a round.

    Rounds are drawn again 2,000 times with replacement from a generator seeded with ``seed``. None
    for a single round: nothing can be said about what it would be the next time.
    """
    values = np.asarray(ratios, dtype=np.float64)
    if len(values) < 2:
        return None
    random = np.random.default_rng(seed)
    medians = np.median(random.choice(values, (RESAMPLES, len(values))), axis=1)
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(medians, [tail, 100 - tail])
    return [float(low), float(high)]


def missing(name: str, why: str) -> dict[str, str]:
    """An entry for a figure that could not be taken."""
    if not name or not why:
        raise ResultError("a missing figure needs its name and the reason")
    return {"name": name, "why": why}


def document(
    subject: str,
    results: Iterable[Result],
    missing: Iterable[Mapping[str, str]],
    command: str,
    *,
    conditions: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Document:
    """Results with where they come from: the host, the commit, and the command as typed.

    ``conditions`` are ``noise`` and ``partial`` (bench/rounds.py), ``details`` anything that JSON
    can hold.
    """
    fields = {
        "shape": SHAPE,
        "subject": subject,
        "results": list(results),
        "missing": [dict(entry) for entry in missing],
        "host": host_info(),
        "commit": commit(),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **(conditions or {}),
    }
    if details:
        fields["details"] = dict(details)
    check_document(fields, "this document")
    return fields


def write_document(document: Document, path: str | os.PathLike[str]) -> None:
    """Write a document as JSON, whole or not at all; checked first, so that no reader fails."""
    check_document(document, "this document")
    write_atomically(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a document.  Raises :class:`ResultError` naming the file and the place in it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ResultError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultError(f"{path} is not text: byte {error.start}") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ResultError(f"{path} is not JSON: line {error.lineno}: {error.msg}") from error
    check_document(document, str(path))
    return dict(document)


def check_document(document: Any, where: str) -> None:
    """Raise :class:`ResultError` unless ``document`` is one of this shape."""
    if not isinstance(document, dict) or "subject" not in document or "results" not in document:
        raise ResultError(f"{where} is not a bench document: no subject and results")
    shape = document.get("shape")
    if shape != SHAPE:
        age = "a newer" if isinstance(shape, int) and shape > SHAPE else "another"
        raise ResultError(f"{where} is of {age} shape: {shape!r}, and this program reads {SHAPE}")
    for key, kind in DOCUMENT_KEYS.items():
        _check_key(document, key, kind, where)
    for number, result in enumerate(document["results"]):
        check_result(result, f"{where}: results[{number}]")
    for number, entry in enumerate(document["missing"]):
        for key in ("name", "why"):
            _check_key(entry, key, str, f"{where}: missing[{number}]")


def check_result(result: Any, where: str) -> None:
    """Raise :class:`ResultError` unless ``result`` is one figure of this shape."""
    for key, kind in RESULT_KEYS.items():
        _check_key(result, key, kind, where)
    if not result["name"]:
        raise ResultError(f"{where}: name is empty")
    if result["unit"] not in UNITS:
        raise ResultError(f"{where}: unit {result['unit']!r} is not one of {', '.join(UNITS)}")
    if result["better"] not in BETTER:
        raise ResultError(f"{where}: better {result['better']!r} is neither lower nor higher")
    if result["samples"] < 1:
        raise ResultError(f"{where}: samples is {result['samples']}; name the figure in missing")
    _check_number(result["median"], f"{where}: median")
    _check_range(result["spread"], f"{where}: spread")
    for value in result.get("rounds") or []:
        _check_number(value, f"{where}: rounds")
    for peer, figures in result["against"].items():
        place = f"{where}: against {peer}"
        for key in ("median", "ratio"):
            _check_key(figures, key, (int, float), place)
            _check_number(figures[key], f"{place}: {key}")
        if "interval" not in figures:
            raise ResultError(f"{place}: no interval")
        if figures["interval"] is not None:
            _check_range(figures["interval"], f"{place}: interval")


DOCUMENT_KEYS: dict[str, type] = {
    "subject": str,
    "results": list,
    "missing": list,
    "host": dict,
    "commit": str,
    "command": str,
}
RESULT_KEYS: dict[str, Any] = {
    "name": str,
    "unit": str,
    "better": str,
    "median": (int, float),
    "spread": list,
    "samples": int,
    "against": dict,
}


def _check_key(holder: Any, key: str, kind: Any, where: str) -> None:
    if not isinstance(holder, dict):
        raise ResultError(f"{where} is not a JSON object")
    if key not in holder:
        raise ResultError(f"{where}: no {key}")
    value = holder[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ResultError(f"{where}: {key} is {value!r}")


def _check_number(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ResultError(f"{where} is {value!r}, not a number")


def _check_range(pair: Any, where: str) -> None:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ResultError(f"{where} is {pair!r}, not [low, high]")
    for value in pair:
        _check_number(value, where)
    if pair[0] > pair[1]:
        raise ResultError(f"{where} is {pair!r}: low is above high")


def _figures(name: str, whose: str, samples: Sequence[float]) -> np.ndarray[Any, Any]:
    """The rounds' figures as float64; every one of them a number."""
    figures = np.asarray(samples, dtype=np.float64)
    if figures.ndim != 1 or len(figures) == 0:
        raise ResultError(f"{name}: {whose} has no rounds; a figure needs at least one")
    for number in np.flatnonzero(~np.isfinite(figures)):
        raise ResultError(f"{name}: {whose}, round {number}: {figures[number]} is not a number")
    return figures
