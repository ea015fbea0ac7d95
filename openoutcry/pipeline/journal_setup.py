"""The journal of a run: its directories claimed, made or resumed, and closed with the evidence."""

import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numba

import openoutcry
from openoutcry.gateway_fpga.settings_file import document_of
from openoutcry.host.info import host_info
from openoutcry.journal import Journal, JournalError, JournalLock, JournalReader, JournalWriter
from openoutcry.journal.lock import lock_if_there
from openoutcry.journal.medium import medium_of
from openoutcry.journal.origins import Senders
from openoutcry.journal.places import places_of, require_distinct
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.state_layout import KEY, state_layout
from openoutcry.journal.unwritten import discard_unwritten
from openoutcry.journal.writer import Handover
from openoutcry.pipeline.gate_policy import GatePolicy, gate_policy
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import RunState
from openoutcry.pipeline.resume import prime, resume_pipeline
from openoutcry.ptp.stamp_clock import stamp_clock, stamps_before
from openoutcry.ring import ProcessIdentity
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import PipelineError, Work
from openoutcry.wire.symbols import NAMES, coded


def claim_journal(options: Options, stack: ExitStack) -> Path | None:
    """Lock the journal's directory; without ``--journal`` a temporary one in this folder, on the
    disk that the user is on.  Refused before the source is read, and without a trace."""
    if options.durability == "none":
        return None
    if options.warm_run is not None:
        # Its standby has the lock, which all processes that are forked from here on share.
        assert options.journal is not None
        _require_lasting(options, [options.journal])
        return options.journal
    if options.journal is None:
        me = ProcessIdentity.mine()
        try:
            prefix = f".outcry-journal-{me.pid}.{me.start_ticks}-"
            directory = Path(tempfile.mkdtemp(prefix=prefix, dir="."))
        except OSError as error:
            raise PipelineError(
                f"cannot keep a journal in this folder ({error.strerror}): give --journal DIR"
            ) from error
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
    else:
        directory = options.journal
        if not directory.exists():
            stack.callback(_remove_if_empty, directory)
    _require_lasting(options, [directory, *options.copies])
    lock = JournalLock(directory)
    stack.callback(lock.release)
    if not options.resume:
        discard_unwritten(directory)
    if Journal.exists(directory) != options.resume:
        raise PipelineError(
            f"{directory} has no journal to resume; start one without --resume"
            if options.resume
            else f"{directory} already holds a journal: give another --journal DIR, or --resume "
            "to continue it"
        )
    _claim_copies(options, directory, stack)
    return directory


def _claim_copies(options: Options, directory: Path, stack: ExitStack) -> None:
    """Lock the journal's other directories as well, so that no process mends or resumes one
    meanwhile."""
    if options.resume:
        others = places_of(directory, JournalReader(directory).document).others
        _require_lasting(options, others)
        for path in others:
            if (held := lock_if_there(path)) is not None:
                stack.callback(held.release)
        return
    require_distinct([directory, *options.copies])
    for path in options.copies:
        if not path.exists():
            stack.callback(_remove_if_empty, path)
        stack.callback(JournalLock(path).release)
        discard_unwritten(path)


def _require_lasting(options: Options, places: Sequence[Path]) -> None:
    """Durable is a promise about power cuts: refused where it is known that it cannot be kept."""
    if options.durability not in ("durable", "replicated") or options.volatile_journal:
        return
    for path in places:
        medium = medium_of(path)
        if medium.lost:
            raise PipelineError(
                f"{path} is on {medium.text}: give a directory on a disk, --durability async or "
                "none, or --volatile-journal to accept it as durable"
            )


def kept_journal_path() -> Path:
    """Return where a run that takes orders from a network, without --journal, keeps its journal:
    in this folder, under a name that no clean-up removes.  Clients cannot send acknowledged
    orders again.
    """
    return Path(f"outcry-journal-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")


def copies_of(directory: Path | None) -> tuple[Path, ...]:
    """The other directories of the journal that was just made or resumed."""
    if directory is None:
        return ()
    return tuple(places_of(directory, JournalReader(directory).document).others)


def _remove_if_empty(directory: Path) -> None:
    """Remove a directory that this run made and that holds no command: its start was refused."""
    try:
        with JournalLock(directory):
            discard_unwritten(directory)
            if [path.name for path in directory.glob("*")] == ["lock"]:
                shutil.rmtree(directory)
    except JournalError:
        return


def remove_dead_journals(folder: Path) -> None:
    """Remove our temporary journals in ``folder`` whose owner is proven dead: of sources that can
    be run again."""
    for path in folder.glob(".outcry-journal-*.*-*"):
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            continue
        pid, _, start = path.name.split("-")[2].partition(".")
        if pid.isdigit() and start.isdigit() and not ProcessIdentity(int(pid), int(start)).alive():
            shutil.rmtree(path, ignore_errors=True)


def make_journal(
    directory: Path,
    options: Options,
    limit: int,
    state: RunState,
    shared: Shared,
) -> tuple[JournalWriter, Senders]:
    """A new journal, or the one to resume and everything put where it ends."""
    config = config_of(options, shared)
    policy = policy_of(options)
    durable = policy.synced and options.durability in ("durable", "replicated")
    if options.resume:
        known, lanes = None, None
        if options.warm_run is not None:
            known = options.warm_run.known(durable)
            lanes = options.warm_run.lanes(shared.table)
        writer, point, state.resumed = resume_pipeline(directory, config, durable, known)
        prime(shared, point, [directory, *copies_of(directory)], lanes)
        state.resumed_engine = point.engine if options.operator is not None else None
        return writer, point.senders
    expected = limit if options.source or options.orders is not None else 0
    writer = Journal.create(
        directory,
        config,
        expected_records=expected,
        copies=options.copies,
        policy=policy.directories,
        direct=durable,
    )
    return writer, Senders()


def config_of(options: Options, shared: Shared) -> dict[str, Any]:
    """Return the configuration of a run, as its journal stores it."""
    names = {NAMES: codes} if (codes := coded(options.symbols)) else {}
    return {
        "program": f"openoutcry {openoutcry.__version__}",
        "instruments": instruments_to_json(options.table),
        **names,
        "order_capacity": options.order_capacity,
        "id_key": options.id_key,
        "hooks": options.hooks,
        "source": options.source_name,
        "seed": options.seed,
        "rate": options.rate,
        "topology": options.topology,
        "durability": options.durability,
        "gateway": options.gateway,
        "lanes": [lane.name for lane in shared.table.lanes],
        "sessions": sessions_of(options),
        "gateway_settings": document_of(options.gateway_settings),
        "layout_version": openoutcry.wire.LAYOUT_VERSION,
        "versions": {"python": platform.python_version(), "numba": numba.__version__},
        "clock": stamp_clock(
            shared.control.block.epoch_offset, stamps_before(spec.kind for spec in options.ports)
        ),
        "host": host_info(),
    }


def policy_of(options: Options) -> GatePolicy:
    """Return the policy that an event of this run waits for."""
    return gate_policy(options.policy, options.replication is not None)


def sessions_of(options: Options) -> list[str]:
    """Return the sessions whose metadata the journal has, by their numbers from 1."""
    rows = options.sessions.sessions if options.sessions else ()
    return [f"{row.name} {row.protocol.name} of participant {row.participant}" for row in rows]


def close_journal(work: Work, state: RunState, result: dict[str, Any]) -> None:
    """Write the evidence block, against which a replay is verified."""
    assert work.journal is not None
    assert work.writer is not None
    writer = work.writer
    if "journal" in state.outcome:
        # From where the journal's process let go of it: nothing is read again.
        writer = Journal.reopen(writer, Handover.from_json(state.outcome["journal"]))
    keys = ("commands", "events", "trades", "state_hash", "event_hash")
    writer.evidence({key: result[key] for key in keys} | {KEY: state_layout()})
    writer.close()
    result["journal"] = {
        "path": str(work.journal),
        "medium": medium_of(work.journal).text,
        "bytes": writer.bytes,
        "blocks": writer.blocks,
        "segments": len(list(work.journal.glob("segment-*"))),
    }
