"""A venue that is carried over: again and again, by a process that is killed at each step, and as
its operator and its participants meet it, with processes and connections."""

import errno
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from openoutcry.client.fix import FixClient
from openoutcry.client.ouch import OuchClient
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.reader import parts_before
from openoutcry.journal.replay import replay
from openoutcry.risk.region import View
from openoutcry.venue import carry as carry_module
from openoutcry.venue import days
from openoutcry.venue.carrying import Carrying
from openoutcry.venue.desk import DeskError
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.wire.errors import OutcryError
from tests.oracles.carried import orders_by_events, orders_of_begin
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.processes import free_port
from tests.support.venue.carried import (
    SOL,
    carried,
    carry_floor,
    carry_over,
    closed_floor,
    in_tin,
    small_rooms,
)
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S


def test_a_venue_is_carried_over_again_and_again(tmp_path: Path) -> None:
    floor = closed_floor(tmp_path)
    parts = []
    for change in (lambda text: text + SOL, lambda text: text, in_tin("max_price_ticks = 900")):
        old, result = carry_floor(floor, change)
        parts.append(old)
        assert result["orders"] == 4
        floor.close()
    for part in (*parts, floor.journal_path):
        assert replay(part)["equal"]
    # Each part ends where the next one begins.
    names = [JournalReader(part) for part in (*parts, floor.journal_path)]
    for reader in names:
        assert reader.evidence is not None
    for before, after in pairwise(names):
        carried = after.config["carried"]
        assert (before.directory.name, before.last_seq) == (carried["journal"], carried["seq"])
        assert after.first_seq == before.last_seq + 1


STEPS = (
    "_tidy", "carried_engine", "_copy_files", "_carry_sessions", "_write_checkpoint", "_seal",
    "ended_of", "_begin", "exchange",
)  # fmt: skip
SEALED = STEPS.index("_seal")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_is_killed_leaves_one_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    floor = closed_floor(tmp_path)
    expected = orders_by_events(floor.journal_path)
    with monkeypatch.context() as patch:
        patch.setattr(carry_module, step, dying(getattr(carry_module, step), after))
        child = os.fork()
        if child == 0:
            carry_over(floor, lambda text: text + SOL)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    if (step, after) == ("exchange", True):
        floor.open()  # all but the old folder's name
        floor.close()
    elif (STEPS.index(step), after) >= (SEALED, True):
        with pytest.raises(OutcryError, match="cut short: run `outcry venue carry` again"):
            Journal.resume(floor.journal_path)
    else:
        Journal.resume(floor.journal_path).close()  # it can be served as before
    old, _ = carry_floor(floor)
    begin = orders_of_begin(floor.journal_path)
    assert {name: rows for name, rows in begin.items() if rows} == {
        name: rows for name, rows in expected.items() if rows
    }
    floor.close()
    assert replay(floor.journal_path)["equal"]
    assert replay(old)["equal"]
    assert not (tmp_path / "journal.next").exists()


@pytest.mark.parametrize(
    ("step", "after"),
    [("_write_checkpoint", True), ("_seal", True), ("_begin", False), ("exchange", True)],
)
def test_an_open_venue_goes_on_when_the_process_is_killed_that_carries_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """Before the old journal's last block it continues as before, after it the work is done again:
    never with the old file in the new journal."""
    floor = closed_floor(tmp_path)
    floor.file.write_text(floor.file.read_text() + SOL)
    new, work, killed = read_venue(floor.file), getattr(carry_module, step), tmp_path / "killed"

    monkeypatch.setattr(carry_module, step, dying_once(work, killed, after))
    with small_rooms():
        floor.venue._carry_over(new)
    assert killed.exists()
    if step == "_write_checkpoint":
        assert "was killed" in floor.venue.carried["error"]
        monkeypatch.undo()
        carry_over(floor, lambda text: text)
    else:
        assert "error" not in floor.venue.carried
        assert floor.venue.file is new
    floor.open()
    assert View(floor.shared.regions[0]).wallets.names[-1] == "SOL"
    floor.close()


def test_an_operator_who_goes_away_keeps_nobody_else_out(tmp_path: Path) -> None:
    """The rehearsal ends with the request."""
    stopped = closed_floor(tmp_path)
    gone_on: list[VenueFile] = []
    carrying = Carrying(read_venue(stopped.file), gone_on.append)
    first = carrying.work_of(carrying.file.number)
    first.begun()
    with pytest.raises(DeskError, match="carried over already"):
        carrying.work_of(carrying.file.number)
    first.ended()
    second = carrying.work_of(carrying.file.number)
    second.begun()
    while not second.ready():
        pass
    assert second.refused() == ""
    second.ended()
    assert len(gone_on) == 1


def dying_once(work: Callable[..., Any], killed: Path, after: bool) -> Callable[..., Any]:
    """A step at which the process is killed the first time."""

    def step(*arguments: Any) -> Any:
        if killed.exists() or getattr(arguments[0], "name", "") == "one":
            return work(*arguments)
        if after:
            work(*arguments)
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    return step


def dying(work: Callable[..., Any], after: bool) -> Callable[..., Any]:
    """A step at which the process is killed, before or after it."""

    def step(*arguments: Any) -> Any:
        if isinstance(arguments[0], Path) and arguments[0].name == "one":
            return work(*arguments)  # whether the file system can exchange folders
        if after:
            work(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return step


VENUE = """
[venue]
name = "TEST"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
checkpoint_every = 0
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSED"]
[[instrument]]
symbol = "GOLD"
decimals = 2
max_price_ticks = 1_000_000
max_qty_lots = 1_000_000
[[participant]]
number = 1
name = "one"
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:FIX"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
[[session]]
name = "TWO"
protocol = "fix-4.4"
participant = 2
password = "HASH"
cancel_on_disconnect = "none"
"""
TIN = """
[[instrument]]
symbol = "TIN"
decimals = 2
max_price_ticks = 1_000_000
max_qty_lots = 1_000_000
[[participant]]
number = 3
name = "three"
[[session]]
name = "THREE"
protocol = "ouch-4.2"
participant = 3
password = "HASH"
cancel_on_disconnect = "none"
"""


@pytest.mark.parametrize("when", ["the same day", "the day after", "the day after a stop"])
def test_sessions_and_orders_go_on_in_the_new_journal(tmp_path: Path, when: str) -> None:
    ouch, fix = free_port(), free_port()
    text = VENUE.replace(":OUCH", f":{ouch}").replace(":FIX", f":{fix}").replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-03-02T10:00", port="", venue=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    one = OuchClient("127.0.0.1", ouch, "ONE", PASSWORD)
    two = FixClient("127.0.0.1", fix, "TWO", PASSWORD, target="TEST")
    token = one.buy("GOLD", 5, "10.00")
    assert one.next(BOUND_S).name == "accepted"
    sold = two.sell("GOLD", 2, "10.00", t59="1")
    assert two.next(BOUND_S)[150] == "0"
    assert two.next(BOUND_S)[150] == "F"
    rests = two.sell("GOLD", 7, "11.00", t59="1")
    assert two.next(BOUND_S)[150] == "0"
    assert one.next(BOUND_S).name == "executed"
    place = one.session, one.sequence
    numbers = two.numbers
    if when == "the day after":
        venue.set_time("2026-03-02T17:00")
        venue.wait_for(lambda status: status["state"] == "closed")
    venue.stop()
    assert "new instruments: TIN" in carried(venue, lambda text: text + TIN.replace("HASH", HASH))
    if when == "the day after a stop":
        venue.set_time("2026-03-03T10:00")
    if when == "the day after":
        assert len(days.finished_days(venue.journal)) == 1
        venue.set_time("2026-03-03T10:00")
    venue.start()
    venue.wait_for_phase("CONTINUOUS")

    two = FixClient("127.0.0.1", fix, "TWO", PASSWORD, target="TEST", numbers=numbers)
    if when == "the same day":
        # Nothing is sent again, and the order is known by its name.
        one = OuchClient("127.0.0.1", ouch, "ONE", PASSWORD, session=place[0], sequence=place[1])
        one.cancel(token)
        assert one.next(BOUND_S).name == "canceled"
    else:
        one = OuchClient("127.0.0.1", ouch, "ONE", PASSWORD)
    three = OuchClient("127.0.0.1", ouch, "THREE", PASSWORD)
    bought = three.buy("TIN", 3, "2.00")
    assert three.next(BOUND_S)["token"] == bought
    two.sell("TIN", 3, "2.00")
    kinds = [two.next(BOUND_S).get(150) for _ in range(2)]
    assert kinds == ["0", "F"]
    two.cancel(rests, "GOLD", "2")
    assert two.next(BOUND_S).get(41) == rests
    assert sold != rests
    venue.stop()
    assert replay(venue.journal)["equal"]
    (before,) = tmp_path.glob("journal-until-*")
    assert replay(before)["equal"]


def test_a_link_stays_a_link_and_another_folder_is_not_touched(tmp_path: Path) -> None:
    """The journal may be a link to a folder of another disk: both folders are beside that one.  A
    folder of the user's that has the new one's name is refused before anything is written."""
    floor = closed_floor(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    floor.journal_path.rename(disk / "real")
    floor.journal_path.symlink_to(disk / "real")
    theirs = disk / "real.next"
    theirs.mkdir()
    (theirs / "notes").write_text("mine")
    before = sorted(disk.rglob("*"))
    with pytest.raises(OutcryError, match=r"real\.next is in the way"):
        carry_over(floor, lambda text: text + SOL)
    assert sorted(disk.rglob("*")) == before
    theirs.rename(disk / "theirs")
    old, _ = carry_floor(floor)
    floor.close()
    assert floor.journal_path.is_symlink()
    assert (old.parent, old.is_dir()) == (disk, True)
    assert [path for path, _ in parts_before(floor.journal_path)] == [old]


def test_a_journal_is_carried_over_twice_without_a_run_between(tmp_path: Path) -> None:
    """An operator who sees a mistake in the new file repeats the command with another one."""
    floor = closed_floor(tmp_path)
    expected = orders_by_events(floor.journal_path)
    carry_over(floor, lambda text: text + SOL)
    carry_over(floor, in_tin("max_price_ticks = 900"))
    floor.open()
    begin = orders_of_begin(floor.journal_path)
    assert {name: rows for name, rows in begin.items() if rows} == {
        name: rows for name, rows in expected.items() if rows
    }
    floor.close()
    assert len(parts_before(floor.journal_path)) == 2


def test_a_full_disk_leaves_the_venue_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = closed_floor(tmp_path)

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for module, name in ((carry_module, "_copy_data"), (os, "posix_fallocate")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(OutcryError, match=r"journal\.next .*: No space left on device"):
                carry_over(floor, lambda text: text)
        assert not (tmp_path / "journal.next").exists()
    Journal.resume(floor.journal_path).close()
    carry_floor(floor, lambda text: text + SOL)
    floor.close()
