"""What the tests of ledger invariants in several tiers share."""

import ctypes
import importlib
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np

from openoutcry.ledger import follow as following
from openoutcry.ledger import layout as lay
from openoutcry.ledger.accounts import index_of
from openoutcry.ledger.books import Books
from openoutcry.ledger.follow import Follower, follow
from openoutcry.ledger.ledger_state import at, folder_of
from openoutcry.ledger.parquet_store import ParquetStore
from tests.support.ledger import ledger_flow as flow

LOW = 0xFFFFFFFF
GROUPS = (lay.MONEY_COLUMNS, lay.LOT_COLUMNS)


def postings_of(rows: np.ndarray) -> int:
    return sum(int(np.count_nonzero(rows[name])) for group in GROUPS for name in group)


def unbalanced(rows: np.ndarray) -> int:
    """Rows of which a group of deltas does not sum to exactly 0; in two halves, so that no sum
    wraps round."""
    wrong = np.zeros(len(rows), bool)
    for group in GROUPS:
        low = sum((rows[name] & LOW for name in group), np.zeros(len(rows), np.int64))
        high = sum((rows[name] >> 32 for name in group), np.zeros(len(rows), np.int64))
        wrong |= (low & LOW != 0) | (high + (low >> 32) != 0)
    return int(np.count_nonzero(wrong))


class Tally:
    """Balances of every account by adding up rows: halves of int64, for at most 2**31 rows."""

    def __init__(self, books: Books) -> None:
        self.assets = lay.MONEY_SLOTS + books.count
        self.halves = np.zeros((2, len(books.balances)), np.int64)

    def add(self, rows: np.ndarray) -> None:
        who = rows["participant"].astype(np.int64) + 1
        lots = lay.MONEY_SLOTS + rows["instrument"].astype(np.int64)
        for number, name in enumerate(lay.MONEY_COLUMNS):
            self._column(rows[name], who if number < 4 else 0 * who, rows["asset"], number % 4)
        traded = rows["instrument"] != lay.NO_INSTRUMENT
        places = ((1, 0), (1, 1), (0, 1), (0, 3))
        for name, (own, kind) in zip(lay.LOT_COLUMNS, places, strict=True):
            self._column(rows[name][traded], (own * who)[traded], lots[traded], kind)

    def _column(self, amounts, owner, asset, kind) -> None:
        index = (owner * self.assets + asset) * 4 + kind
        np.add.at(self.halves[0], index, amounts & LOW)
        np.add.at(self.halves[1], index, amounts >> 32)

    def differences(self, books: Books) -> int:
        stands = defaultdict(int)
        for place, value in books.nonzero_balances():
            stands[index_of(place.owner, place.asset, place.kind, self.assets)] = value
        sums = {
            int(k): (int(self.halves[1, k]) << 32) + int(self.halves[0, k])
            for k in np.flatnonzero(self.halves.any(axis=0))
        }
        keys = {*stands, *sums}
        return sum(stands.get(key, 0) != sums.get(key, 0) for key in keys)


def posted(postings: int, seed: int, commands: int = 200_000) -> dict[str, int]:
    """Mixed markets, one behind the other, until so many postings were made."""
    counts = dict.fromkeys(("postings", "transactions", "commands", "events", "markets"), 0)
    faults = {"unbalanced_transactions": 0, "assets_not_zero": 0, "accounts_that_differ": 0}
    while counts["postings"] < postings:
        orders = flow.draw(commands, seed + counts["markets"], days=400)
        document = flow.config()
        engine, books = flow.core(document), Books(document)
        tally = Tally(books)
        tally.add(books.opening)
        for begin in range(0, len(orders), 4_096):
            part = orders[begin : begin + 4_096]
            events = engine.process(part)
            rows = books.post(part, events)
            faults["unbalanced_transactions"] += unbalanced(rows)
            faults["assets_not_zero"] += sum(map(bool, books.sums()))
            tally.add(rows)
            counts["postings"] += postings_of(rows)
            counts["transactions"] += len(rows)
            counts["events"] += len(events)
        faults["accounts_that_differ"] += tally.differences(books)
        counts["commands"] += len(orders)
        counts["markets"] += 1
    return counts | faults


# Kills


def files(home: Path) -> dict[str, bytes]:
    """Every file of the ledger but checkpoints."""
    folder = folder_of(home)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".olc"
    }


def forked(work) -> int:
    """A process that does this work and ends with status 0."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def kill_self_after(cpu_s: float) -> None:
    """The kernel sends SIGKILL once this process has used so much of a processor: how busy the
    machine is does not matter."""

    class Event(ctypes.Structure):
        _fields_ = (
            ("value", ctypes.c_void_p),
            ("signo", ctypes.c_int),
            ("notify", ctypes.c_int),
            ("rest", ctypes.c_byte * 48),
        )

    library, timer = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p()
    event = Event(None, signal.SIGKILL, 0)
    status = library.timer_create(
        time.CLOCK_PROCESS_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)
    )
    seconds, left = divmod(round(cpu_s * 1e9), 10**9)
    when = (ctypes.c_long * 4)(0, 0, seconds, max(left, 1))
    if status or library.timer_settime(timer, 0, ctypes.byref(when), None):
        raise OSError(ctypes.get_errno(), "no timer")


def killed(home: Path, every: int, kills: int, seed: int) -> dict[str, int]:
    """Followers of a journal, forked and killed at random moments, until there were so many kills;
    each time that one comes to the end its files are those of one that was never killed, and the
    ledger is begun anew.  Every other one flushes what came after each block, as one that follows
    a venue does each half a second."""
    rng = random.Random(seed)
    whole = Path(shutil.copytree(home, home.with_name("whole")))
    # What a follower needs is compiled and imported before anything is forked, so that kills hit
    # its work and not its start.
    at(whole, 100)
    for name in ("pyarrow.parquet", "zstandard", "pandas"):  # pyarrow looks for the last
        with suppress(ImportError):
            importlib.import_module(name)

    def rebuild() -> None:
        follow(whole, None, True, lambda: False, print, every)

    def work() -> None:
        if counts["kills"] % 2:
            following.FLUSH_S = 0.0
        kill_self_after(cpu_s)
        follower = Follower(home, ParquetStore(folder_of(home)), every)
        follower.advance()
        follower.store.finish()

    counts = {"kills": 0, "journals": 0, "different": 0}
    _, status, used = os.wait4(forked(rebuild), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    most_s = (used.ru_utime + used.ru_stime) / 3
    wanted = files(whole)
    while counts["kills"] < kills:
        cpu_s = rng.random() * most_s
        status = os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])
        assert status in (0, -signal.SIGKILL)
        if status:
            counts["kills"] += 1
            continue
        counts["journals"] += 1
        counts["different"] += files(home) != wanted
        assert not counts["different"], counts
        shutil.rmtree(folder_of(home))
    cpu_s = 1_000 * most_s
    assert os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1]) == 0
    counts["journals"] += 1
    counts["different"] += files(home) != wanted
    # The books of its last checkpoint, too, are those of who goes through all of it.
    shutil.rmtree(folder_of(whole))
    counts["different"] += list(at(home).books.nonzero_balances()) != list(
        at(whole).books.nonzero_balances()
    )
    return counts
