"""Surveillance along a journal: from its last checkpoint to the end, once or as it grows.

Next to the journal, in the folder ``surveillance``: ``hits.bin`` (evidence.py), ``life.jsonl``
(life.py), ``settings.json``, checkpoints, and ``status.json`` for the venue's metrics.
"""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.core import Core
from openoutcry.journal.events import NO_LIMIT, Point, Records, events_of, starting_point
from openoutcry.journal.projections import JournalReader
from openoutcry.journal.reader import parts_before
from openoutcry.journal.tail import CARRIED
from openoutcry.surveillance import life
from openoutcry.surveillance.cases import Case, Folding
from openoutcry.surveillance.chained_lines import Entry
from openoutcry.surveillance.detect.settings import Settings, detectors_digest
from openoutcry.surveillance.detect.state import KEPT as TABLES
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.surveillance.evidence import NAME as HITS
from openoutcry.surveillance.evidence import EvidenceFile, beginning, read_hits
from openoutcry.surveillance.heads import note_heads, noted_heads, require_head
from openoutcry.surveillance.referrals import FIRST, FOLDER, referred
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import SurveillanceError
from openoutcry.wire.symbols import symbols_of

EVERY = 1_000_000
"""Commands from one checkpoint to the next."""
KEEP = 2
MAGIC = b"OUTCRYS3"
HEAD_BYTES = len(MAGIC) + 32
PAUSE_S = 0.01
STATUS_S = 2.0
LEVELS = 128
"""Levels that a new book begins with, of both sides."""


def folder_of(directory: Path) -> Path:
    """Return where the cases of a journal are kept."""
    return Path(directory) / FOLDER


class Watching:
    """Detectors and a core at one command of a journal, and the hits up to there."""

    def __init__(self, directory: Path, settings: Settings, folder: Path | None = None) -> None:
        """``folder``: where the cases are, as a rule in the journal's."""
        self.reader = JournalReader(directory)
        self.folder = folder or folder_of(Path(directory))
        self._finish_part_before(settings)
        self.detectors = Detectors(self.reader.config, settings)
        self.folder.mkdir(exist_ok=True)
        self.continued = ""
        """What differs, if another release examined the journal before."""
        rows = self._keep_settings(settings)
        self.begin = beginning(self.reader.journal_id, rows[0]["digest"])
        self.rules, self.from_seq = len(rows), rows[-1].get("from_seq", 0)
        self.evidence = EvidenceFile(self.folder, self.begin)
        self._noted, _ = noted_heads(self.reader.directory, self.begin)
        self.lost = max(0, self._noted[0] - self.evidence.known)
        """Hits that the desk's record names and the file no longer has: they are made again."""
        self.evidence.go_on(rows[-1].get("hits", 0), self._head_of(rows[-1]))
        self.point = self._newest()
        self.events = 0
        """Seen by this object."""
        self._case_book: CaseBook | None = None

    def _keep_settings(self, settings: Settings) -> list[dict[str, Any]]:
        """The rows of settings.json, the last one with these settings and detectors.  A release
        with other detectors begins a row of its own: what was found stays as it is."""
        path = self.folder / "settings.json"
        kept: dict[str, Any] = {
            "digest": settings.digest(),
            "journal_id": f"{self.reader.journal_id:016x}",
        }
        if settings.market_makers:
            kept["market_makers"] = settings.maker_rows()
        kept |= {"chosen": settings.chosen(), "parameters": settings.values()}
        kept["detectors"] = detectors_digest()
        rows = _settings_of(path) if path.exists() else []
        if rows and kept.items() <= rows[-1].items():
            return rows
        if rows:
            differs = _differs(rows[-1], kept)
            if kept["journal_id"] != rows[-1]["journal_id"] or "settings" in differs:
                raise SurveillanceError(
                    f"{self.folder} was begun with other settings or for another journal "
                    f"({differs}): its cases are kept; move the folder away to begin again"
                )
            begin = beginning(self.reader.journal_id, rows[0]["digest"])
            hits, heads = read_hits(self.folder, begin)
            seqs = [*hits["seq"].tolist(), _checkpoint_seq(self.folder)]
            kept |= {"from_seq": max(seqs), "hits": len(hits), "head": (heads or [begin.hex()])[-1]}
            self.continued = (
                f"{self.folder}: another release examined the journal up to command "
                f"{kept['from_seq']:,}; its {len(hits):,} hits and the decisions on them stay, and "
                f"this one continues from there ({differs})"
            )
            note_heads(
                self.reader.directory,
                begin,
                (len(hits), kept["head"]),
                None,
                kept["from_seq"],
                why=self.continued,
            )
        lines = [json.dumps(row) + "\n" for row in (*rows, kept)]
        write_whole(path, "".join(lines).encode())
        return [*rows, kept]

    @property
    def seq(self) -> int:
        """The last command that was looked at."""
        return self.point.seq

    def advance(
        self, until_seq: int = NO_LIMIT, every: int = EVERY, follow: bool = False
    ) -> Iterator[Records]:
        """Continue to ``until_seq`` or the journal's end.

        Yields the hits, a batch at a time, after they were written."""
        for batch in events_of(
            self.reader,
            self.point,
            from_seq=self.point.seq + 1,
            until_seq=until_seq,
            every=every,
            follow=follow,
        ):
            if len(batch.commands):
                hits = self.detectors.watch(batch.commands, batch.events)
                # Up to there another release has examined the journal.
                hits = hits[hits["seq"] > self.from_seq]
                hits["number"] = self.evidence.count + 1 + np.arange(len(hits))
                self.events += len(batch.events)
                if len(hits):
                    self.evidence.add(hits)
                    yield hits
                if every and self.point.seq % every == 0:
                    self.save()
            if self.point.seq >= until_seq:
                return

    # Checkpoints.

    def save(self) -> Path:
        """Write a checkpoint of all of it, and remove those that are no longer needed."""
        self.evidence.sync()
        point = self.point
        arrays = self.detectors.arrays()
        facts = {
            "seq": point.seq,
            "chain": point.chain,
            "trades": point.trades,
            "hits": self.evidence.count,
            "head": self.evidence.head.hex(),
            "begin": self.begin.hex(),
            "rules": self.rules,
        }
        path = write_checkpoint(self.folder, facts, arrays, point.engine.snapshot())
        for old in sorted(self.folder.glob("checkpoint-*.osc"))[:-KEEP]:
            old.unlink()
        return path

    def _finish_part_before(self, settings: Settings) -> None:
        """Watch the journal that this one continues to its end, if that has not been done."""
        parts = parts_before(self.reader.directory)
        if not parts or not self.folder.is_dir() or _checkpoint_seq(self.folder) >= parts[-1][1]:
            return
        before = Watching(parts[-1][0], settings, self.folder)
        try:
            for _ in before.advance():
                pass
            before.save()
        finally:
            before.close()

    def _newest(self) -> Point:
        for path in sorted(self.folder.glob("checkpoint-*.osc"), reverse=True):
            point = self._load(path)
            if point is not None:
                return point
        if self.reader.first_seq > 1:
            raise SurveillanceError(
                f"{self.reader.directory} begins at sequence {self.reader.first_seq}, and no "
                "checkpoint of surveillance covers the commands before"
            )
        return starting_point(self.reader)

    def _load(self, path: Path) -> Point | None:
        """None: it is damaged, of other settings, or of hits that the file no longer has."""
        parts = _parts_of(path)
        if parts is None:
            return None
        facts, arrays, snapshot = parts
        if facts["begin"] != self.begin.hex() or facts["seq"] + 1 < self.reader.first_seq:
            return None
        if facts["rules"] != self.rules:
            return None
        if facts["hits"] > self.evidence.known:
            # Torn before what was on disk at this checkpoint: an older one makes them again.
            return None
        if facts["seq"] < self.reader.first_seq and CARRIED in self.reader.config:
            # As the journal was that this one continues.
            arrays = carried_arrays(arrays, self.detectors)
            snapshot = starting_point(self.reader, facts["seq"]).engine.snapshot()
        self.detectors.restore(arrays)
        self.evidence.go_on(facts["hits"], bytes.fromhex(facts["head"]))
        engine = Core.of(self.reader.config).restored(snapshot)
        return Point(engine, facts["chain"], facts["trades"], facts["seq"])

    def _head_of(self, row: dict[str, Any]) -> bytes:
        """The hash after the hits that other releases found."""
        return bytes.fromhex(row["head"]) if "head" in row else self.begin

    def note_head(self) -> None:
        """How far the hits go, into the desk's record, if it does not say so.

        Raises :class:`SurveillanceError` if they are others than those that it names.
        """
        count, head = self.evidence.count, self.evidence.head.hex()
        if count == self._noted[0] and head != self._noted[1]:
            raise SurveillanceError(
                f"{self.evidence.path}: hit {count:,} is not the one that the desk's record names"
            )
        if count > self._noted[0]:
            self.evidence.sync()
            note_heads(self.reader.directory, self.begin, (count, head), None, self.seq)
            self._noted = count, head

    def write_status(self) -> None:
        """Write the status that the venue's metrics read; of the evidence only what came since the
        last time."""
        self.note_head()
        if self._case_book is None:
            self._case_book = CaseBook.of(self.reader.directory)
        else:
            self._case_book.refresh()
        status = self._case_book.status(self.seq)
        write_whole(self.folder / "status.json", (json.dumps(status) + "\n").encode())

    def close(self) -> None:
        """Close the evidence."""
        self.evidence.close()


def carried_arrays(
    arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]], now: Detectors
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Return the arrays of detectors for more instruments, which follow those that there were."""
    header, kept = arrays[0].copy(), dict(zip(TABLES, arrays[1:-1], strict=True))
    count = len(kept["books"])
    header[lay.INSTRUMENTS // 8] = len(now.table)
    books = now.books.copy()
    books[:count] = kept["books"]
    books[:, lay.B_STEP // 8] = now.table["price_step_ticks"]
    end = len(kept["levels"])
    for number in range(count, len(books)):
        at = end + (number - count) * LEVELS
        books[number, lay.B_LEVEL_AT // 8] = at
        books[number, (lay.B_LEVEL_AT + lay.B_ASK_LEVELS) // 8] = at + LEVELS // 2
    more = np.zeros(((len(books) - count) * LEVELS, 2), np.int64)
    links = now.links.copy()
    links[:count] = kept["links"]
    kept |= {"books": books, "levels": np.concatenate([kept["levels"], more]), "links": links}
    return [header, *(kept[name] for name in TABLES), arrays[-1]]


def write_checkpoint(
    folder: Path, facts: dict[str, Any], arrays: list[Any], snapshot: bytes
) -> Path:
    """Write the arrays of detectors and their core after the command ``facts["seq"]``; returns the
    file."""
    facts = facts | {"shapes": [list(array.shape) for array in arrays]}
    text = json.dumps(facts).encode()
    body = zlib.compress(b"".join([*(array.tobytes() for array in arrays), snapshot]), 1)
    content = len(text).to_bytes(8, "little") + text + body
    path = folder / f"checkpoint-{facts['seq']:015d}.osc"
    write_whole(path, MAGIC + _digest(content) + content)
    return path


def _parts_of(path: Path) -> tuple[dict[str, Any], list[Any], bytes] | None:
    """Return facts, arrays and the core's snapshot of a checkpoint; None: it is damaged."""
    data = path.read_bytes()
    whole = _whole(data) if data.startswith(MAGIC) else None
    if whole is None:
        return None
    facts, packed = whole
    body, at, arrays = zlib.decompress(packed), 0, []
    for shape in facts["shapes"]:
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(body, np.int64, count, at).reshape(shape))
        at += 8 * count
    return facts, arrays, body[at:]


def write_whole(path: Path, content: bytes) -> None:
    """Write under another name and rename; raises :class:`SurveillanceError` where that fails."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SurveillanceError(f"{path}: {error.strerror}: nothing was written") from None


KEPT: dict[str, type] = {
    "digest": str, "journal_id": str, "market_makers": list, "chosen": dict, "parameters": dict,
    "detectors": str, "from_seq": int, "hits": int, "head": str,
}  # fmt: skip
"""Fields of a row of settings.json; the first two are in every row, that of older releases too."""


def _settings_of(path: Path) -> list[dict[str, Any]]:
    """The settings with which the examination of a journal began, and those of each release that
    continued it.  Raises :class:`SurveillanceError` if the file is damaged,
    ``FileNotFoundError`` without one."""
    data = path.read_bytes()
    with suppress(ValueError, TypeError, KeyError):
        rows = [json.loads(line) for line in data.splitlines()]
        kept = all({"digest", "journal_id"} <= set(row) <= set(KEPT) for row in rows)
        typed = all(isinstance(row[name], KEPT[name]) for row in rows for name in row)
        same = "".join(json.dumps(row) + "\n" for row in rows).encode() == data
        if rows and kept and typed and same:
            return rows
    raise SurveillanceError(f"{path} was changed after it was written")


def _differs(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Say in what the settings of two rows differ, and whether people or a release chose that."""
    if old["journal_id"] != new["journal_id"]:
        return f"the journal: {old['journal_id']}, now {new['journal_id']}"
    if "chosen" in old:
        names = [name for name in new["chosen"] if old["chosen"].get(name) != new["chosen"][name]]
        if names:
            return f"settings differ in {', '.join(names)}"
    elif old.get("market_makers") != new.get("market_makers"):
        return "settings differ in market_maker"
    elif old["digest"] != new["digest"]:
        return "the older folder does not say its parameters, so they cannot be compared"
    before, now = old.get("parameters", new["parameters"]), new["parameters"]
    changed = [
        f"{name} {before.get(name, 'was not there')}, now {now.get(name, 'not there')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return "; ".join(changed) or "the code of the detectors differs"


def _checkpoint_seq(folder: Path) -> int:
    """The command of the newest checkpoint that is whole, of whatever release; 0 without one."""
    for path in sorted(folder.glob("checkpoint-*.osc"), reverse=True):
        if (whole := _whole(path.read_bytes())) is not None:
            return int(whole[0]["seq"])
    return 0


def _whole(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The facts of a checkpoint, of whatever release, and what it packs; None: it is damaged."""
    content = data[HEAD_BYTES:]
    if data[len(MAGIC) : HEAD_BYTES] != _digest(content):
        return None
    size = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:size]), content[size:]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32).digest()


def run(
    directory: Path, settings: Settings, until_seq: int | None = None, every: int = EVERY
) -> Watching:
    """Up to ``until_seq`` or the journal's end, with a checkpoint there.

    Raises :class:`SurveillanceError` if the journal ends before ``until_seq``.
    """
    watching = Watching(directory, settings)
    try:
        for _ in watching.advance(NO_LIMIT if until_seq is None else until_seq, every):
            pass
        if until_seq is not None and watching.seq < until_seq:
            raise SurveillanceError(
                f"{directory}: the journal ends at sequence {watching.seq}, before {until_seq}"
            )
        if watching.seq:
            watching.save()
        watching.write_status()
    finally:
        watching.close()
    return watching


def follow(
    directory: Path,
    settings: Settings,
    stop: Callable[[], bool],
    alert: Callable[[Records], None],
    every: int = EVERY,
) -> Watching:
    """Follow a journal until ``stop`` says so; ``alert`` receives hits as they come."""
    watching = Watching(directory, settings)
    told_s, changed = 0.0, True
    try:
        while True:
            last = stop()
            before = watching.seq
            for hits in watching.advance(every=every, follow=True):
                alert(hits)
            changed |= watching.seq != before
            now_s = time.monotonic()
            if changed and (last or now_s - told_s > STATUS_S):
                watching.write_status()
                told_s, changed = now_s, False
            if last:
                break
            time.sleep(PAUSE_S)
        if watching.seq:
            watching.save()
    finally:
        watching.close()
    return watching


@dataclass
class CaseBook:
    """The present cases of a journal, and what people did with them."""

    folder: Path
    config: dict[str, Any]
    begin: bytes
    folding: Folding
    entries: list[Entry] = field(default_factory=list)
    head: bytes = b""
    """After the last hit that was read; :func:`beginning` before the first."""
    heads: list[str] = field(default_factory=list)
    """The hash after each hit."""
    referred: list[Case] = field(default_factory=list)
    """By other rooms."""
    _life_bytes: int = -1

    @classmethod
    def of(cls, directory: Path) -> "CaseBook":
        """Raises :class:`SurveillanceError` if this journal was never examined, or a hash does
        not match."""
        reader, folder = JournalReader(directory), folder_of(Path(directory))
        try:
            rows = _settings_of(folder / "settings.json")
        except FileNotFoundError:
            raise SurveillanceError(
                f"{directory} was not analysed yet; run `outcry surveillance run`"
            ) from None
        begin = beginning(reader.journal_id, rows[0]["digest"])
        symbols = symbols_of(reader.config)
        cases = cls(
            folder,
            reader.config,
            begin,
            Folding(symbols, rows[-1].get("market_makers", ())),
            head=begin,
        )
        cases.refresh()
        return cases

    def refresh(self) -> None:
        """Read the hits that came since, and what people did if that changed.

        Raises :class:`SurveillanceError` if a hash does not hold.
        """
        # First: what is noted meanwhile may name rows that are read no more.
        noted_hits, noted_life = noted_heads(self.folder.parent, self.begin)
        hits, heads = read_hits(self.folder, self.head, self.count)
        self.folding.add(hits, heads)
        self.heads += heads
        if heads:
            self.head = bytes.fromhex(heads[-1])
        self.referred = referred(self.folder.parent)
        path = self.folder / life.NAME
        size = path.stat().st_size if path.exists() else 0
        if size != self._life_bytes:
            self.entries, self._life_bytes = life.read_life(self.folder, self.begin), size
        require_head(path, noted_life, [entry["hash"] for entry in self.entries])
        require_head(self.folder / HITS, noted_hits, self.heads)

    @property
    def count(self) -> int:
        """Hits that were read."""
        return len(self.heads)

    def act(self, case: Case, action: str, who: str, why: str) -> life.CaseState:
        """:func:`life.act`, and a line in the desk's record that says so."""
        hits = self.count, self.head.hex()

        def noted(entry: Entry, count: int) -> None:
            text = f"case {case.number}, {action}: {entry['why']}"
            note_heads(
                self.folder.parent,
                self.begin,
                hits,
                (count, entry["hash"]),
                case.last_seq,
                who,
                text,
            )

        return life.act(self.folder, self.begin, case, action, who, why, noted)

    @property
    def cases(self) -> list[Case]:
        """The cases, in the order of their numbers."""
        return self.folding.cases + self.referred

    def case(self, number: int) -> Case:
        """Return a case, by its number. Raises ``SurveillanceError`` for any other."""
        place = number - (FIRST if number >= FIRST else 1)
        cases = self.referred if number >= FIRST else self.folding.cases
        if not 0 <= place < len(cases):
            raise SurveillanceError(f"there is no case {number}: there are {len(self.cases)}")
        return cases[place]

    def state_of(self, case: Case) -> life.CaseState:
        """Return the state that officers' decisions have given a case."""
        return life.case_state_of(case, self.entries)

    def status(self, seq: int) -> dict[str, Any]:
        """Counts for metrics: cases by detector, severity and what they are."""
        counts: dict[tuple[str, str, str], int] = {}
        for case in self.cases:
            key = case.detector, case.severity, self.state_of(case).status
            counts[key] = counts.get(key, 0) + 1
        return {
            "seq": seq,
            "looked_s": time.time(),
            "cases": [[*key, count] for key, count in sorted(counts.items())],
        }
