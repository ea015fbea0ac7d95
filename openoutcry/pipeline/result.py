"""The account of a finished run: its result document (its keys: docs/results.md)."""

from typing import Any

import numpy as np

import openoutcry
from openoutcry.gateway_fpga.settings_file import document_of
from openoutcry.host.info import host_info
from openoutcry.journal.event_hash import hash_text
from openoutcry.journal.replay import fullest
from openoutcry.matcher.hooks import seal_region
from openoutcry.matcher.state.digest import joined_hash
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import RunState
from openoutcry.pipeline.worker import CORE
from openoutcry.ptp.stamp_clock import stamp_clock, stamped_by
from openoutcry.risk.partitioned import joined
from openoutcry.runtime.histogram import summary
from openoutcry.runtime.table import as_row
from openoutcry.runtime.work import Work
from openoutcry.wire import EventKind, Reason
from openoutcry.wire.layout import Words
from openoutcry.wire.symbols import names_by_code, symbol_text


def make_result(options: Options, work: Work, state: RunState) -> dict[str, Any]:
    """Return the result document of a run that has ended."""
    control = work.shared.control
    commands = work.shared.sequenced.published
    resumed = control.block.resumed_seq
    acknowledged = control.reply.commands
    last_ns = control.reply.last_ns
    if work.journal is not None:
        last_ns = max(last_ns, control.block.written_ns)
    first_ns = control.block.first_ns
    seconds = (last_ns - first_ns) / 1e9 if first_ns else 0.0
    source = options.source
    book, symbols = _whole_book(work, state), names_by_code(options.symbols)
    expected = control.block.expected if source or options.orders is not None else None
    account = source_account(work, state, options)
    return {
        "version": openoutcry.__version__,
        "commands": commands,
        "events": control.reply.cursor,
        "trades": control.reply.trades,
        "seconds": seconds,
        "commands_per_s": (commands - resumed) / seconds if seconds else 0.0,
        "resumed": state.resumed,
        "lost": commands - acknowledged,
        "duplicated": control.reply.duplicated,
        "state_hash": book["state_hash"],
        "event_hash": hash_text(control.reply.event_hash),
        "open_orders": book["open_orders"],
        "stages": _stage_rows(work),
        "replay": None,
        "journal": None,
        "durability": options.durability,
        "topology": options.topology,
        "gateway": options.gateway,
        "gateway_settings": document_of(options.gateway_settings),
        "seed": options.seed,
        "rate": options.rate or None,
        "source": {
            "kind": options.source_kind,
            "name": options.source_name,
            "account": account,
        },
        "groups": state.groups,
        "restarts": state.restarts,
        "stalls": state.stalls,
        "expected": expected,
        "interrupted": state.interrupted and commands != expected,
        "rejects": _counts(control.reply.reasons, Reason),
        "event_kinds": _counts(control.reply.kinds, EventKind),
        "timeline": state.timeline,
        "depth": {symbol_text(one.encode(), symbols): rows for one, rows in book["depth"].items()},
        "clock": stamp_clock(control.block.epoch_offset, stamped_by(account)),
        "host": host_info(),
    }


def _whole_book(work: Work, state: RunState) -> dict[str, Any]:
    """The matcher's book at the end; of several shards, in their order, put together."""
    names = [CORE + row.name for row in work.table.stages]
    parts = [state.outcome[name] for name in names if name in state.outcome]
    if len(parts) == 1:
        return dict(parts[0])
    digests = [part["digest"] for part in parts]
    commands = work.shared.sequenced.published
    events = work.shared.control.reply.cursor
    now_ns = parts[0]["now_ns"]
    books = {symbol: book for part in parts for symbol, book in part["depth"].items()}
    order = [symbol.decode() for symbol in work.instruments["symbol"].tolist()]
    state_hash = joined_hash(work.instruments, now_ns, digests, commands, events)
    if parts[0]["pieces"] is not None:
        state_hash = seal_region(state_hash, joined(_of_owners([p["pieces"] for p in parts])))
    return {
        "state_hash": state_hash,
        "open_orders": sum(part["open_orders"] for part in parts),
        "depth": fullest({symbol: books[symbol] for symbol in order if symbol in books}),
    }


def _of_owners(pieces: list[list[str]]) -> list[str]:
    """Return the parts of the hash of the hooks' state: each partition's from the shard that has
    it, the whole's from all of them alike."""
    whole = {piece[0] for piece in pieces}
    assert len(whole) == 1, "the risk states of the shards disagree about shared totals"
    count = len(pieces)
    return [*whole, *(pieces[n % count][1 + n] for n in range(len(pieces[0]) - 1))]


def source_account(work: Work, state: RunState, options: Options) -> dict[str, int]:
    """Return the source's account of its input; of a network's records, what became of each."""
    if work.ports is None:
        return dict(options.source.account) if options.source else {}
    if "ports" not in state.outcome:  # the run ended before its ports were open
        return {
            "records": 0,
            "records_uncounted": 0,
            "records_not_sequenced": 0,
            "unaccounted": 0,
            **work.ports.account(),
        }
    account = {**state.outcome["ports"], **work.ports.account()}
    shared, lane = work.shared, work.table[work.table.sources[0]].writes
    published = shared.rings[lane].published
    resumed = shared.resumed_lanes.get(lane, 0)
    # A killed receive stage published the first part of its burst and counted none of it.
    account["records_uncounted"] = published - resumed - account["records"]
    # Of this lane alone: sessions and the operator have their own.
    account["records_not_sequenced"] = published - shared.lane_places()[lane]
    return account


def _counts(counts: Words, names: type[EventKind] | type[Reason]) -> dict[str, int]:
    return {member.name: counts[member] for member in names if counts[member]}


def _stage_rows(work: Work) -> list[dict[str, Any]]:
    """The latency table: every stage in the data's order, then the spans over several."""
    return [
        as_row(row, summary(np.asarray(work.shared.histogram(row.name))))
        for row in work.shared.table.intervals
    ]
