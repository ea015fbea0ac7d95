"""Ports of sessions and of packets open once the phases are those of the calendar, not before."""

from itertools import takewhile
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from openoutcry.order_entry.sessions import Sessions
from openoutcry.order_entry.sessions_state import SessionsError
from openoutcry.order_entry.spec import PortSpec, Protocol
from openoutcry.pipeline import run
from openoutcry.pipeline.progress import Watcher
from openoutcry.venue.calendar import Calendar, Schedule, Step, Traded
from openoutcry.venue.operator_lane import WIRING, OperatorLane
from openoutcry.wire.enums import Phase
from tests.support.venue.inline import InlineVenue
from tests.support.venue.stepped import SteppedRun

HOUR = 3_600
CALENDAR = Calendar(
    ZoneInfo("Etc/UTC"),
    {
        "main": Schedule(
            (
                Step(8 * HOUR, Phase.PRE_OPEN),
                Step(9 * HOUR, Phase.CONTINUOUS),
                Step(17 * HOUR, Phase.CLOSED),
            )
        )
    },
    (Traded("ACME", "main"), Traded("BOLT", "main")),
    time_every_s=1_800,
)


def test_a_lane_is_set_when_what_was_due_is_processed(monkeypatch):
    """Each command that was due has been through the core, and the first order trades in its
    phase."""
    seen = []

    class Clock:
        now_ns = staticmethod(lambda: venue_clock.now_ns())

    lane = OperatorLane(CALENDAR, Clock())
    turn = SteppedRun.turn

    def watched(stepped: SteppedRun) -> int:
        core = stepped.work.shared.sequenced.cursors["matcher"]
        seen.append((lane.is_set, int(core[0])))
        done = turn(stepped)
        seen.append((lane.is_set, int(core[0])))
        return done

    monkeypatch.setattr(SteppedRun, "turn", watched)
    venue_clock = SimpleNamespace(now_ns=lambda: 1_767_348_000 * 10**9)  # 10:00 of a Friday
    sessions = [{"name": "ALPHA", "participant": 1}]
    with InlineVenue(sessions, wiring=WIRING, operator=lane) as venue:
        lane.end_ns = 1 << 62
        client = venue.client("ALPHA")
        client.enter("a1")
        assert client.message()[0] == "A"
    before = [processed for _, processed in takewhile(lambda look: not look[0], seen)]
    after = [processed for is_set, processed in seen if is_set]
    # A TIME and, of each of two instruments, the phases since the day began.
    due = 2 + 2 * 2
    assert before, "it is not set before anything was done"
    assert max(before) < min(after)
    assert min(after) >= due
    assert not lane.is_set, "a run that has ended lets nobody in"


def test_the_ports_are_opened_by_the_first_look_at_which_the_lane_is_set():
    noted, answers = [], iter((False, False, True))

    class Doors:
        is_open = False

        def listen(self, note):
            self.is_open = True
            note("open")

    class Packets:
        is_open = False

        def let_in(self):
            self.is_open = True
            noted.append("packets")

    class Lane:
        sessions, ports = Doors(), Packets()

        def poll(self):
            pass

        def descriptors(self):
            return [7]

        @property
        def is_set(self):
            return next(answers, True)

    operator = Lane()
    options = SimpleNamespace(operator=operator)
    watcher = run._with_operator(options, Watcher(note=noted.append))
    assert watcher.descriptors() == [7], "a request ends a quiet time's wait"
    for expected in ([], [], ["open", "packets"]):
        watcher.sample(None)
        assert noted == expected
    operator.sessions = operator.ports = None
    for _ in range(2):
        watcher.sample(None)
    assert noted == ["open", "packets"]


def test_an_address_that_is_taken_is_named_before_anything_is_open():
    def taken(_address: object) -> None:
        raise OSError(98, "Address already in use")

    ports = (PortSpec(Protocol.OUCH42, "127.0.0.1", 9001),)
    half = SimpleNamespace(
        listeners=[SimpleNamespace(bind=taken)],
        spec=SimpleNamespace(ports=ports),
        _naming=Sessions._naming,
    )
    with pytest.raises(SessionsError, match=r"cannot listen on 127\.0\.0\.1:9001: .*in use"):
        Sessions.bind(half)
