"""Create or resume a journal's writer, in one directory or several."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from openoutcry.journal.block import ALIGN, HEADER_BYTES, digest, padded, unpack_header
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.failed import FAILED_NAME, read_failed
from openoutcry.journal.places import (
    PathName,
    agreeing_scans,
    enough,
    places_of,
    require_distinct,
    same_directory,
)
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import (
    RETIRED_NAME,
    SegmentFile,
    make_segment,
    read_from_disk,
    remove_half_made,
    segment_numbers,
    segment_path,
    space_error,
    sync_file,
    write_whole,
)
from openoutcry.journal.stream import Stream, make_whole
from openoutcry.journal.tail import anchor_segment, bytes_before
from openoutcry.journal.watermark import WATERMARK_NAME, Reached
from openoutcry.journal.writer import (
    BEGIN,
    Ended,
    Handover,
    JournalWriter,
    Place,
    first_block,
    new_journal_id,
)
from openoutcry.ring.policy import POLICIES, needed
from openoutcry.wire.errors import JournalError, OutcryError
from openoutcry.wire.records import RECORD_BYTES

SEGMENT_BYTES = 64 << 20
MIN_SEGMENT_BYTES = 2 * ALIGN
MAX_PREWRITTEN_BYTES = 1 << 30
CARRIED_TO = "carried_to"
"""Key of the evidence that ends a journal which another directory continues (``carry.py``)."""
EXPECTED_RECORDS_A_BLOCK = (ALIGN - HEADER_BYTES) // RECORD_BYTES
"""How far prewriting allows for headers; smaller blocks only mean more segments."""


class Journal:
    """Factories of journal writers."""

    @staticmethod
    def exists(directory: PathName) -> bool:
        """True if ``directory`` holds any segment of a journal."""
        return Path(directory).is_dir() and bool(segment_numbers(Path(directory)))

    @staticmethod
    def create(
        directory: PathName,
        config: dict[str, Any],
        expected_records: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        copies: Iterable[PathName] = (),
        policy: str = "all",
        direct: bool = True,
        known_as: PathName = "",
        after: Ended = BEGIN,
        disk: Disk = REAL,
    ) -> JournalWriter:
        """Make a durable journal whose first block is ``config``; returns its writer.

        Segments for ``expected_records`` (at most 1 GiB of them) are prewritten with zeros.
        Further ones are made while the one before fills.  The size ``segment_bytes`` is a multiple
        of 4,096 from 8,192 on.  Further directories, ``copies``, are written in parallel.  A block
        counts as written or durable when ``all``, a ``quorum`` (more than half) or ``any`` of the
        directories have it.  With ``direct``, blocks go past the page cache, for a writer that
        waits for each; without it a block is only handed to the kernel.  With ``after`` it
        continues a journal that has ended: same number, next segment, block and sequence.  The
        journal names itself ``known_as`` if its directory is renamed before it is resumed.

        Raises :class:`JournalError` if a directory already holds a journal or there is no space;
        then no file remains.
        """
        places = [Path(directory), *map(Path, copies)]
        if segment_bytes < MIN_SEGMENT_BYTES or segment_bytes % ALIGN:
            raise JournalError(
                f"segment_bytes is {segment_bytes}: not a multiple of {ALIGN} from "
                f"{MIN_SEGMENT_BYTES} on"
            )
        if policy not in POLICIES:
            raise JournalError(f"policy {policy!r} is not one of {', '.join(POLICIES)}")
        require_distinct(places)
        document = {
            "config": config,
            "segment_bytes": segment_bytes,
            "copies": [str(path.absolute()) for path in places[1:]],
            "places": [str(path.absolute()) for path in [Path(known_as or places[0]), *places[1:]]],
            "policy": policy,
        }
        journal_id = after.journal_id or new_journal_id()
        head = first_block(journal_id, document, after)
        if len(head) > segment_bytes:
            raise JournalError(f"a configuration of {len(head):,} bytes does not fit a segment")
        count = _segments_for(len(head), expected_records, segment_bytes)
        numbers = range(after.segment + 1, after.segment + 1 + count)
        streams: list[Stream] = []
        created: list[Path] = []
        try:
            for path in places:
                streams.append(
                    _make_copy(
                        path, journal_id, head, segment_bytes, numbers, direct, disk, created
                    )
                )
        except BaseException:
            for stream in streams:
                stream.abandon()
            for path in reversed(created):
                _remove_made(path)
            raise
        reached = Reached.by(unpack_header(head[:HEADER_BYTES]))
        place = Place(len(head), len(head), reached, digest(head))
        return JournalWriter(places[0], journal_id, document, streams, place, total=len(places))

    @staticmethod
    def resume(
        directory: PathName,
        *,
        copies: Sequence[PathName] | None = None,
        direct: bool = True,
        disk: Disk = REAL,
    ) -> JournalWriter:
        """Resume a journal whose writer was killed, after its last whole block.

        Checks every block of the last segment and that it follows the segment before (``tail.py``),
        whatever the journal's age.  Zeroes a torn tail, so that none of its bytes can be taken for
        a later block's, and makes the rest durable.  Of several copies the longest counts, and the
        others are brought up to it; ``copies`` says where they are if they were moved.  A copy that
        cannot be read, or holds other blocks than the rest, is left as it is and named in the
        writer's ``failures``.  The caller holds the directory's :class:`JournalLock` and has seen
        the old writer die.  Raises :class:`JournalError` for damage, for what is not a journal, and
        if so few copies agree that an acknowledged block could be in none of them.
        """
        first = _scanned(Path(directory), disk)
        document = first.document
        if to := carried_to(first.evidence):
            raise JournalError(
                f"{directory} was carried over to {to}, which continues it"
                if Path(to).name != Path(directory).resolve().name
                else f"{directory}: its carrying over was cut short: run `outcry venue carry` again"
            )
        others, total, flaws = places_of(Path(directory), document, copies)
        scans = [first]
        for path in others:
            try:
                scan = _scanned(path, disk)
                if scan.journal_id != first.journal_id:
                    raise JournalError(f"{path} holds another journal")
                scans.append(scan)
            except OutcryError as error:
                flaws.append(str(error))
        if len(scans) > total:
            raise JournalError(
                f"{directory} is one more than the {total} directories of this journal, which are "
                f"all there: resume {others[0]}"
            )
        quorum = enough(document.get("policy", "all"), total)
        _require_quorum(len(scans), quorum, document, flaws)
        best, members = _agreed(scans, quorum, document, flaws, disk)
        members = _without_failed(members, flaws)
        write_quorum = needed(document.get("policy", "all"), total)
        streams = _resume_all(members, best, write_quorum, flaws, direct, disk)
        before_bytes = bytes_before(best.directory, best.begin_segment)
        place = Place(
            best.end_offset, before_bytes + best.bytes, _reached(best), best.previous_hash
        )
        return JournalWriter(
            Path(directory),
            best.journal_id,
            document,
            streams,
            place,
            total=total,
            flaws=flaws,
            resumed=best.resumed,
            last_ts_ns=best.clock_order.written_ts_ns,
        )

    @staticmethod
    def reopen(
        before: JournalWriter, handover: Handover, *, direct: bool = True, disk: Disk = REAL
    ) -> JournalWriter:
        """Continue where another process of the same pipeline has let go of the journal that
        ``before`` wrote in this one; nothing is read.  The caller has seen that process end.

        Raises :class:`JournalError` if a directory cannot be opened.
        """
        return Journal.take_over(
            before.directory,
            before.journal_id,
            before.document,
            handover,
            total=before.total,
            direct=direct,
            disk=disk,
        )

    @staticmethod
    def take_over(
        directory: Path,
        journal_id: int,
        document: dict[str, Any],
        handover: Handover,
        *,
        total: int = 1,
        direct: bool = True,
        disk: Disk = REAL,
    ) -> JournalWriter:
        """Like :meth:`reopen`, for a journal that this process has never written."""
        segment_bytes = int(document["segment_bytes"])
        streams: list[Stream] = []
        try:
            for path, number, count in handover.streams:
                stream = Stream(path, journal_id, number, segment_bytes, count, disk, direct)
                streams.append(stream)
                stream.claim(handover.place.reached)
        except BaseException:
            for stream in streams:
                stream.abandon()
            raise
        return JournalWriter(
            directory,
            journal_id,
            document,
            streams,
            handover.place,
            total=total,
            flaws=handover.flaws,
            resumed=handover.resumed,
            last_ts_ns=handover.last_ts_ns,
        )


def carried_to(evidence: dict[str, Any] | None) -> str:
    """Return the directory that continues a journal with this evidence at its end; "" if none
    does."""
    return str((evidence or {}).get(CARRIED_TO, ""))


def _without_failed(scans: list[Scan], flaws: list[str]) -> list[Scan]:
    """The scans of directories that no other one notes as failed; the rest goes into ``flaws``.

    The rest was read again and checked, so its blocks count, but it is not written."""
    remaining = list(scans)
    for scan in scans:
        for place, why in read_failed(scan.directory, scan.journal_id).items():
            for other in [s for s in remaining if same_directory(s.directory, Path(place))]:
                flaw = (
                    f"{other.directory} failed before ({why}): check its disk, then `outcry "
                    f"journal repair {other.directory} --copy {scan.directory}`"
                )
                if other is scans[0]:
                    raise JournalError(flaw)
                flaws.append(flaw)
                remaining.remove(other)
    return remaining


def _require_quorum(count: int, quorum: int, document: dict[str, Any], flaws: list[str]) -> None:
    if count < quorum:
        policy = document.get("policy", "all")
        raise JournalError(f"too few copies for the policy `{policy}`: {'; '.join(flaws)}")


def _agreed(
    scans: list[Scan], quorum: int, document: dict[str, Any], flaws: list[str], disk: Disk
) -> tuple[Scan, list[Scan]]:
    """The scan to resume from and those that are its beginnings, the first of ``scans`` among
    them; the others go into ``flaws``."""
    try:
        best, members = agreeing_scans(scans, quorum, disk)
    except JournalError as error:
        policy = document.get("policy", "all")
        reasons = "; ".join([str(error), *flaws])
        raise JournalError(f"too few copies agree for the policy `{policy}`: {reasons}") from None
    for scan in scans:
        if scan not in members:
            flaws.append(
                f"{scan.directory} and {best.directory} hold different blocks of one journal: "
                f"`outcry journal repair {scan.directory} --copy {best.directory}` mends it or "
                "says why not"
            )
    if scans[0] not in members:
        raise JournalError(f"{flaws[-1]}; or resume {best.directory}")
    return best, members


def _resume_all(
    members: list[Scan], best: Scan, quorum: int, flaws: list[str], direct: bool, disk: Disk
) -> list[Stream]:
    """Make all copies end alike; one that cannot be written goes into ``flaws``, as long as
    ``quorum`` are left and the first can."""
    streams: list[Stream] = []
    try:
        for scan in members:
            try:
                stream = _resume_one(scan, best, direct, disk)
                # From here on all of it counts as acknowledged.
                stream.claim(_reached(best))
                streams.append(stream)
            except JournalError as error:
                if scan is members[0]:
                    raise
                flaws.append(str(error))
        _require_quorum(len(streams), quorum, best.document, flaws)
    except BaseException:
        for stream in streams:
            stream.abandon()
        raise
    return streams


def _scanned(path: Path, disk: Disk) -> Scan:
    read_from_disk(path, disk)
    return _to_end(path, anchor_segment(path, disk), disk)


def _to_end(path: Path, from_segment: int | None, disk: Disk) -> Scan:
    scan = Scan(path, disk).to_end(from_segment)
    if scan.live:
        raise JournalError(f"{path} is being written by another process")
    if scan.watermark_flaw:
        raise JournalError(
            f"{scan.watermark_flaw}: whether the end is whole is unknown: repair the journal "
            "with a copy, or remove that file if the last blocks may be missing"
        )
    return scan


def _reached(scan: Scan) -> Reached:
    assert scan.last_header is not None, "a pass that reached its end has seen a block"
    return Reached.by(scan.last_header)


def _resume_one(scan: Scan, best: Scan, direct: bool, disk: Disk) -> Stream:
    """Make one copy end cleanly where the best one does; returns its stream."""
    path, number = scan.directory, scan.end_segment
    segment_bytes = scan.segment_bytes
    segment = segment_path(path, number)
    try:
        count = _drop_misfits(path, number, segment_bytes, disk)
        if number > 0 and segment_path(path, number - 1).exists():
            sync_file(segment_path(path, number - 1), disk)  # killed while it finished that one
        # One as long as the best one, but not in the next segment yet, is not up to date either.
        if (scan.next_index, number) != (best.next_index, best.end_segment):
            _catch_up(scan, best, disk)
            number = best.end_segment
            count = max(count, number + 1)
        else:
            make_whole(path, number, segment_bytes, scan.end_offset, scan.dirty_end, disk)
            disk.sync_directory(path)
        return Stream(path, scan.journal_id, number, segment_bytes, count, disk, direct)
    except OSError as error:
        raise JournalError(f"{segment}: cannot resume: {error.strerror}") from None


def _catch_up(scan: Scan, best: Scan, disk: Disk) -> None:
    """Copy what the best copy has and this one, its beginning, lacks, byte for byte to the same
    places.

    Each segment is written under another name and renamed.  Of blocks written into the file itself,
    a power cut could take an earlier one and leave a later one, whose header says that the other
    was durable.  That would be damage.
    """
    for number in range(scan.end_segment, best.end_segment + 1):
        data = _content(best, number, disk)
        write_whole(segment_path(scan.directory, number), data, disk)
    read_from_disk(scan.directory, disk)
    again = _to_end(scan.directory, scan.begin_segment, disk)
    if again.previous_hash != best.previous_hash:
        raise JournalError(f"{scan.directory} did not accept the blocks of {best.directory}")


def _content(scan: Scan, number: int, disk: Disk) -> bytes:
    """Return the content that a segment should have: of the last one the blocks and zeros, no torn
    tail."""
    segment = SegmentFile.open(scan.directory, number, disk)
    if segment is None:
        raise JournalError(f"{segment_path(scan.directory, number)} is missing")
    with segment:
        data = b"".join(part for _, part in segment.windows(0))
    if number < scan.end_segment:
        return data
    return data[: scan.end_offset].ljust(scan.segment_bytes, b"\0")


def _make_copy(
    path: Path,
    journal_id: int,
    head: bytes,
    segment_bytes: int,
    numbers: range,
    direct: bool,
    disk: Disk,
    created: list[Path],
) -> Stream:
    """Prewrite one directory; what is made is noted in ``created`` as it comes into being."""
    if Journal.exists(path):
        raise JournalError(f"{path} already holds a journal")
    if _make_directory(path, disk):
        created.append(path)
    disk.unlink(path / WATERMARK_NAME)  # of a journal that was here before
    disk.unlink(path / FAILED_NAME)
    if numbers.start:
        write_whole(path / RETIRED_NAME, b"%d\n" % numbers.start, disk)
        created.append(path / RETIRED_NAME)
    for number in numbers:
        make_segment(path, number, segment_bytes, head if number == numbers.start else b"", disk)
        created.append(segment_path(path, number))
    created.append(path / WATERMARK_NAME)
    return Stream(path, journal_id, numbers.start, segment_bytes, numbers.stop, disk, direct)


def _remove_made(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _segments_for(config_bytes: int, expected_records: int, segment_bytes: int) -> int:
    """Return how many segments to prewrite: at least one."""
    blocks = -(-expected_records // EXPECTED_RECORDS_A_BLOCK)
    total_bytes = min(blocks * ALIGN, MAX_PREWRITTEN_BYTES)
    room_bytes = segment_bytes - padded(config_bytes)
    return max(1, -(-total_bytes // room_bytes)) if room_bytes > 0 else 1


def _make_directory(path: Path, disk: Disk) -> bool:
    """Make the journal's directory if it is not there; true if it was made."""
    try:
        path.mkdir(mode=0o700, parents=True)
        disk.sync_directory(path.parent)
    except FileExistsError:
        if not path.is_dir():
            raise JournalError(f"{path} is not a directory") from None
        return False
    except OSError as error:
        raise space_error(path, error, 0) from None
    return True


def _drop_misfits(directory: Path, number: int, segment_bytes: int, disk: Disk) -> int:
    """Keep the whole unused segments after ``number``; returns how many segments there are."""
    remove_half_made(directory, disk)
    count = number + 1
    while True:
        path = segment_path(directory, count)
        if not path.exists() or path.stat().st_size != segment_bytes:
            break
        count += 1
    for other in reversed([n for n in segment_numbers(directory) if n >= count]):
        disk.unlink(segment_path(directory, other))
    return count
