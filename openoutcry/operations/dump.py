"""Everything about a venue in one file, for investigations: books, risk,
sessions, configuration, versions, the last commands with their events, logs, processes, metrics.

It is taken from outside, like the metrics, and when an operator presses the emergency close.  It
holds no password, key or secret.  The file is gzipped JSON, an object of sections; a section that
could not be taken holds ``{"missing": why}``.
"""

import gzip
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

import openoutcry
from openoutcry.host.build import this_build
from openoutcry.host.info import host_info
from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.events import NO_LIMIT, Batch, Point, events_of, starting_point
from openoutcry.operations.stacks import processes_of
from openoutcry.pipeline.top import RunningPipeline, attached, running_owners
from openoutcry.ptp.status import clock_status
from openoutcry.risk.bits import Setting
from openoutcry.venue import days
from openoutcry.venue.desk_record import desk_record
from openoutcry.venue.file import VenueFile
from openoutcry.venue.investigation import SUFFIX
from openoutcry.venue.log import FILE_NAME, log_folder, log_lines
from openoutcry.wire import LAYOUT_HASH, OutcryError
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason
from openoutcry.wire.symbols import names_by_code, symbol_text, symbols_of
from openoutcry.wire.toml_tables import Tables, read_tables
from openoutcry.wire.urls import password_of, without_password

SECRET = ("password", "key", "totp", "speed_bump_seed", "id_key")
SHORTEST = 6
HIDDEN = "(not shown)"
LAST_COMMANDS, LOG_LINES, ACTIONS, LEVELS = 1_000, 1_000, 500, 1_000
WAIT_S = 5.0
"""This long the journal may take to have what was sequenced."""
__all__ = ["SUFFIX", "gather", "read_dump", "take"]
SECTIONS = ("summary", "stood", "books_before", "books", "last_commands", "status", "configuration",
            "versions", "processes", "pipeline", "metrics", "clock", "host", "journal", "actions",
            "log", "console_log")  # fmt: skip


def take(
    venue: VenueFile, path: Path, stood: dict[str, Any] | None = None, before_seq: int | None = None
) -> Path:
    """Write the dump to ``path``, for its owner alone.  Raises ``OSError`` if it cannot be written.

    ``stood``: what the venue says of itself.

    ``before_seq``: the last command before what is to be investigated.  The dump holds the books of
    that moment as well."""
    document = gather(venue, stood, before_seq)
    data = gzip.compress(json.dumps(document, default=str).encode(), 6)
    with replacing(path) as part:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o600)
    return path


def read_dump(path: Path) -> dict[str, Any]:
    """A dump's sections.  Raises :class:`OutcryError` for a file that is not a dump."""
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
        if document["summary"]["what"] != "a dump of a venue":
            raise KeyError
    except OSError as error:
        raise OutcryError(f"{path}: {error.strerror or 'is not a dump: not gzip'}") from None
    except (EOFError, ValueError, KeyError, TypeError):
        raise OutcryError(f"{path}: is not a dump of a venue, or is incomplete") from None
    return dict(document)


def gather(
    venue: VenueFile, stood: dict[str, Any] | None, before_seq: int | None
) -> dict[str, Any]:
    """The sections."""
    journal = venue.journal
    status = days.read_status(journal) if journal.is_dir() else None
    pipeline = _pipeline_of(status)
    until = pipeline.positions()["sequenced"] if pipeline else None
    sections: dict[str, Any] = {
        "summary": {
            "what": "a dump of a venue",
            "venue": venue.name,
            "file": venue.path.name,
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "state": (status or {}).get("state", "never opened"),
            "sequenced": until,
            "before_seq": before_seq,
        },
        "stood": stood or {"missing": "the venue was not asked"},
    }
    sections |= _tried_all(
        {
            "market": lambda: _market(journal, before_seq, until),
            "status": lambda: status or {"missing": "the venue has no status yet"},
            "configuration": lambda: configuration(venue.path),
            "versions": _versions,
            "processes": lambda: (
                processes_of(pipeline) if pipeline else {"missing": "nothing runs"}
            ),
            "pipeline": lambda: _view(pipeline),
            "metrics": lambda: _metrics(venue),
            "clock": lambda: dict(clock_status()),
            "host": _host(journal),
            "journal": lambda: _journal(journal),
            "actions": lambda: desk_record(journal)[-ACTIONS:],
            "log": lambda: _tail(journal, FILE_NAME),
            "console_log": lambda: _tail(journal, "console.jsonl"),
        }
    )
    market = sections.pop("market")
    for name in ("books_before", "books", "last_commands"):
        sections[name] = market.get(name, market)
    secrets = secrets_of(venue.path)
    return {name: without(sections[name], secrets) for name in SECTIONS}


def without(value: Any, secrets: set[str]) -> Any:
    """The value with no secret in any text of it, wherever one has got to."""
    if isinstance(value, dict):
        return {key: without(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple | deque):
        return [without(one, secrets) for one in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
    return value


def _tried_all(sections: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return each function's result, or the reason why it has none: one that fails costs itself
    alone."""
    results = {}
    for name, give in sections.items():
        begun = time.monotonic()
        try:
            results[name] = give()
        except Exception as error:
            text = str(error) or type(error).__name__
            results[name] = {"missing": f"{text} (after {time.monotonic() - begun:.1f} s)"}
    return results


def _pipeline_of(status: dict[str, Any] | None) -> RunningPipeline | None:
    if status is None or status["state"] != "open":
        return None
    return next((one for owner in running_owners(status["pid"]) if (one := attached(owner))), None)


# The market, from the journal alone


def _market(journal: Path, before_seq: int | None, until: int | None) -> dict[str, Any]:
    """Books before and now, and the last commands with their events."""
    reader = _reader_that_has(journal, until)
    symbols = symbols_of(reader.config)
    first = before_seq if before_seq is not None else until
    point = starting_point(reader, max(0, (first or 0) - LAST_COMMANDS) if first else None)
    last: deque[Batch] = deque()
    sections: dict[str, Any] = {"books_before": {"missing": "no earlier time was given"}}
    if before_seq is not None:
        _go(reader, point, before_seq, last)
        sections["books_before"] = _books(point, symbols)
    _go(reader, point, until, last)
    return sections | {
        "books": _books(point, symbols),
        "last_commands": _last(last, names_by_code(symbols)),
    }


def _reader_that_has(journal: Path, until: int | None) -> JournalReader:
    """A journal may be written a moment after its commands are sequenced."""
    deadline = time.monotonic() + WAIT_S
    while True:
        reader = JournalReader(journal)
        if until is None or reader.last_seq >= until or time.monotonic() > deadline:
            return reader
        time.sleep(0.05)


def _go(reader: JournalReader, point: Point, until: int | None, last: "deque[Batch]") -> None:
    """Step to a command, or the journal's end; keep what is among the last."""
    if until is not None and point.seq >= until:
        return
    limit = NO_LIMIT if until is None else until
    for batch in events_of(reader, point, from_seq=point.seq + 1, until_seq=limit):
        if len(batch.commands) and (until is None or point.seq > until - 2 * LAST_COMMANDS):
            last.append(batch._replace(events=batch.events.copy(), commands=batch.commands.copy()))
            while sum(len(one.commands) for one in islice(last, 1, None)) >= LAST_COMMANDS:
                last.popleft()
        if point.seq >= limit:
            break


def _books(point: Point, symbols: list[str]) -> dict[str, Any]:
    """Depth as displayed, and every open order."""
    engine = point.engine
    rows = engine.state().rows
    fields = [name for name in rows.dtype.names or () if not name.startswith("reserved")]
    return {
        "sequence": point.seq,
        "state_hash": engine.state_hash(),
        "depth": {symbol: engine.depth(symbol, LEVELS) for symbol in symbols},
        "orders": {"fields": fields, "rows": [_plain(row, fields) for row in rows]},
    }


def _plain(row: Any, fields: list[str]) -> list[Any]:
    values = [row[name] for name in fields]
    return [
        value.decode(errors="replace")
        if isinstance(value, bytes)
        else value.item()
        if isinstance(value, np.generic)
        else value
        for value in values
    ]


def _last(batches: "deque[Batch]", names: Mapping[bytes, str]) -> list[dict[str, Any]]:
    """Each command with its events, in words where a number encodes one."""
    commands: dict[int, dict[str, Any]] = {}
    for batch in batches:
        for row in batch.commands:
            shown = _row(row, CommandKind) | {"symbol": symbol_text(row["symbol"], names)}
            commands[int(row["seq"])] = shown | {"events": []}
        for event in batch.events:
            shown = _row(event, EventKind)
            shown["reason"] = Reason(int(event["reason"])).name
            if int(event["cause_seq"]) in commands:
                commands[int(event["cause_seq"])]["events"].append(shown)
    for command in commands.values():
        if command["kind"] == "PHASE":
            command["phase"] = Phase(command["aux"]).name
        if command["kind"] == "RISK" and command.get("order_type") == Setting.SPEED_BUMP:
            command["qty_lots"] = HIDDEN  # what the delays are drawn from
    return list(commands.values())[-LAST_COMMANDS:]


def _row(row: Any, kinds: Any) -> dict[str, Any]:
    fields = [name for name in row.dtype.names if not name.startswith("reserved")]
    shown = dict(zip(fields, _plain(row, fields), strict=True))
    return {name: value for name, value in shown.items() if value not in (0, "")} | {
        "kind": kinds(int(row["kind"])).name
    }


# Its configuration, logs and processes


def configuration(path: Path) -> dict[str, str]:
    """The venue file's text without a secret in it."""
    tables = _tables(path)
    text = tables.text
    for value in sorted(_secrets(tables.document), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return {"name": path.name, "text": text}


def secrets_of(path: Path) -> set[str]:
    """Return the secrets of the venue file that are long enough to be searched for anywhere."""
    try:
        found = _secrets(_tables(path).document)
    except OutcryError:
        return set()  # the section of the configuration says so
    return {one for one in found if len(one) >= SHORTEST}


def _tables(path: Path) -> Tables:
    return read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))


def _secrets(document: Any, name: str = "") -> set[str]:
    """Values by the names of SECRET, and the password in every URL."""
    if isinstance(document, dict):
        return set().union(*(_secrets(value, key) for key, value in document.items()))
    if isinstance(document, list):
        return set().union(*(_secrets(value, name) for value in document))
    found = {str(document)} if name in SECRET and document not in ("", 0) else set()
    if isinstance(document, str) and "://" in document:
        passwords = {password_of(url) for url in document.split(",")} - {""}
        found |= passwords | set(map(unquote, passwords))
    return found


def _versions() -> dict[str, Any]:
    from importlib.metadata import distributions

    build = this_build()
    return {
        "program": openoutcry.__version__,
        "build": build.text,
        "layout": f"{LAYOUT_HASH:016x}",
        "packages": {distribution.name: distribution.version for distribution in distributions()},
    }


def _view(pipeline: RunningPipeline | None) -> dict[str, Any]:
    if pipeline is None:
        return {"missing": "nothing runs"}
    return pipeline.view(pipeline.positions(), 1.0)


def _metrics(venue: VenueFile) -> dict[str, Any]:
    from openoutcry.wire.extras import require_operations

    require_operations()
    from prometheus_client import generate_latest

    from openoutcry.operations.metrics import VenueMetrics

    return {"text": generate_latest(VenueMetrics(venue)).decode()}  # type: ignore[arg-type]


def _host(journal: Path) -> Callable[[], dict[str, Any]]:
    def give() -> dict[str, Any]:
        disk = shutil.disk_usage(journal)
        memory = Path("/proc/meminfo").read_text().splitlines()
        return {
            "info": host_info(),
            "load": os.getloadavg(),
            "memory": memory,
            "journal_disk_bytes": disk._asdict(),
        }

    return give


def _journal(journal: Path) -> dict[str, Any]:
    reader = JournalReader(journal)
    config = _known(reader.config)
    files = {one.name: one.stat().st_size for one in sorted(journal.iterdir()) if one.is_file()}
    with suppress(JournalError):
        config["days"] = days.finished_days(journal)
    return {"journal_id": f"{reader.journal_id:016x}", "config": config, "files_bytes": files}


def _known(document: Any) -> Any:
    """Return the part of a document that is not secret, and URLs without their passwords."""
    if isinstance(document, dict):
        return {key: _known(value) for key, value in document.items() if key not in SECRET}
    if isinstance(document, list):
        return [_known(one) for one in document]
    if isinstance(document, str) and "://" in document:
        return ",".join(map(without_password, document.split(",")))
    return document


def _tail(journal: Path, name: str) -> list[dict[str, Any]]:
    if not log_folder(journal).is_dir():
        return []
    return list(deque(log_lines(journal, name=name), maxlen=LOG_LINES))
