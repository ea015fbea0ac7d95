"""Resume the journal of a killed pipeline: state, ring positions, counts."""

import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.settings_file import first_difference
from openoutcry.journal import Journal, JournalReader, JournalWriter
from openoutcry.journal.checkpoint import recover, save
from openoutcry.journal.checkpoints import newest_checkpoint
from openoutcry.journal.events import Point
from openoutcry.journal.replay import instrument_changes
from openoutcry.runtime.lanes import journaled_lanes
from openoutcry.runtime.shared import Shared
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.symbols import NAMES

SAME = (
    "instruments",
    NAMES,
    "order_capacity",
    "hooks",
    "source",
    "seed",
    "gateway",
    "gateway_settings",
    "lanes",
)
"""Settings that must match those of the journal being resumed."""


class ResumeError(OutcryError):
    """The journal cannot be resumed by this run."""


def resume_pipeline(
    directory: Path,
    config: dict[str, Any],
    durable: bool,
    known: tuple[JournalWriter | None, Point] | None = None,
) -> tuple[JournalWriter, Point, dict[str, Any]]:
    """The journal's writer, the state after its last command, and what to report about it.

    The journal has one record for each run with the run's settings (clock offset, topology,
    versions, host, …); the first run's are in the configuration block.  So a journal alone is
    enough to rebuild.  A standby passes in ``known`` the journal's writer, if it need not be read
    again, and the state after its last command.

    Raises :class:`ResumeError` if the journal is of another run, ``JournalError`` if it is damaged.
    """
    started = time.monotonic()
    before = {"lanes": ["lane"], "sessions": [], **JournalReader(directory).config}
    if str(before.get("source")).startswith("udp:"):
        before["source"] = "udp"  # as it is named now, wherever its socket is
    for key in SAME:
        if before.get(key) != config.get(key):
            shown = f": {before.get(key)}, not {config.get(key)}"
            if key == "instruments":
                shown = f": {instrument_changes(before[key], config[key])}"
            elif key == "gateway_settings":
                shown = f": {first_difference(before.get(key), config.get(key))}"
            raise ResumeError(f"{directory} is the journal of a run with another {key}{shown}")
    open_writer, point = known or (None, None)
    writer = open_writer or Journal.resume(directory, direct=durable)
    configs = [before, *(row["config"] for row in writer.later_runs if "config" in row)]
    try:
        check_sessions(directory, configs[-1].get("sessions", []), config["sessions"])
    except ResumeError:
        writer.abandon()
        raise
    checkpoint = None
    if point is None:
        checkpoint = newest_checkpoint(directory, writer.journal_id, writer.written_seq)
        point = recover(directory)
        if point.seq > (checkpoint.seq if checkpoint else 0):
            # The matcher's own process starts from here, instead of going the same way again.
            save(directory, writer.journal_id, point)
    if point.seq != writer.written_seq:
        writer.abandon()
        raise ResumeError(
            f"{directory} ends with command {writer.written_seq}, its state with {point.seq}"
        )
    own = {key: value for key, value in config.items() if key != "instruments"}
    writer.resumed({"seq": point.seq, "config": own})
    report = {
        "commands": point.seq,
        "events": point.engine.event_count,
        "checkpoint_seq": checkpoint.seq if checkpoint else 0,
        "seconds": time.monotonic() - started,
    }
    return writer, point, report


def check_sessions(directory: Path, before: list[str], now: list[str]) -> None:
    """Raise :class:`ResumeError` unless the sessions ``now`` begin with those of ``before``: the
    journal's notes name them by number."""
    for number, (old, new) in enumerate(zip_longest(before, now[: len(before)]), start=1):
        if old != new:
            raise ResumeError(
                f"{directory} is the journal of a run whose session {number} was {old}, not {new}: "
                "sessions keep their places, and new ones come after them"
            )


def prime(
    shared: Shared,
    point: Point,
    directories: Sequence[Path],
    lanes: dict[str, int] | None = None,
) -> None:
    """Set fresh rings and counts to the journal's end, as if this run had reached it.  ``lanes``:
    how many of each lane's commands the journal has, where that is known."""
    seq, events = point.seq, point.engine.event_count
    table, control = shared.table, shared.control
    shared.resumed_lanes = lanes or journaled_lanes(directories, table, seq)
    for name, ring in shared.rings.items():
        at = events if table.ring(name).record == "event" else shared.resumed_lanes.get(name, seq)
        ring.published_hint[0] = at
        for reader in table.readers(name):
            ring.cursors[reader][0] = at
    control.block.resumed_seq = control.block.written_seq = seq
    control.stage(table.index["journal"]).safe_seq = seq
    for which in range(2):
        state = control.reply_state(which)
        state.cursor, state.event_hash = events, point.chain
        state.commands, state.trades = seq, point.trades
