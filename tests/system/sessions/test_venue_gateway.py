"""A venue whose gateway is the RTL: its registers have what the core publishes; and a speed
bump behind it."""

import numpy as np
import pytest

from openoutcry.gateway_fpga import Limits, Settings, make_rules, validate_orders
from openoutcry.gateway_fpga.settings import PARTICIPANTS
from openoutcry.journal.replay import replay
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason, Side
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE, Floor, gateway_refusal, kinds, order

RTL = VENUE.replace("housekeeping_cores = 0", 'housekeeping_cores = 0\ngateway = "rtl"') + MORE
BUMP = "\nspeed_bump_us = 100_000\nspeed_bump_window_us = 50_000\nspeed_bump_seed = 5"


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = Floor(tmp_path_factory.mktemp("rtl"), RTL)
    yield trading_floor
    last = trading_floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(trading_floor.venue.journal)
    assert (replayed["state_hash"], replayed["commands"]) == (last["state_hash"], last["commands"])


def test_the_rtl_refuses_first_what_the_core_would(floor) -> None:
    """A kill and a halt, over a kill of all its processes; what is taken back passes again, and
    every verdict is the golden model's for what stood then."""

    def sent(number: int, who: int = 1):
        (events,) = floor.send(order(number, Side.BUY, 5, 10, who=who))
        return events

    assert kinds(sent(1)) == [EventKind.ACCEPTED]
    floor.ask("kill", "participant", "1")
    assert gateway_refusal(sent(2)) == {"PARTICIPANT"}
    assert kinds(sent(3, who=2)) == [EventKind.ACCEPTED]
    floor.again()
    assert gateway_refusal(sent(4)) == {"PARTICIPANT"}
    floor.ask("resume", "participant", "1")
    assert kinds(sent(5)) == [EventKind.ACCEPTED]
    floor.ask("halt", "GOLD")
    assert gateway_refusal(sent(6)) == {"HALTED"}

    commands, _ = floor.journal()
    news = commands[commands["kind"] == CommandKind.NEW]
    everybody = frozenset(range(PARTICIPANTS))
    for ids, off, halted in (((1, 5), set(), False), ((2, 3, 4), {1}, False), ((6,), set(), True)):
        judged = news[np.isin(news["order_id"], ids)]
        assert len(judged) == len(ids)
        again = judged.copy()
        settings = Settings({b"GOLD": Limits(halted=halted)}, True, everybody - off)
        validate_orders(again, make_rules(make_instruments(["GOLD", "TIN"]), settings))
        assert again.tobytes() == judged.tobytes()


def what_became_of(folder, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Commands and events, without places and times, of orders that are sent over packets to a
    venue with a speed bump: the participant's own never overtake each other."""
    folder.mkdir()
    trading_floor = Floor(
        folder, text.replace("housekeeping_cores = 0", "housekeeping_cores = 0" + BUMP)
    )
    sent = np.concatenate(
        [order(n, Side.BUY, 5, 10 + n) for n in range(1, 9)]
        + [order(9, Side.SELL, 12, 14), order(10, Side.BUY, 101, 10), order(11, Side.BUY, -1, 10)]
        + [order(n, Side.BUY, 5, 0, kind=CommandKind.CANCEL) for n in (1, 2, 2, 12)]
        + [order(12, Side.SELL, 3, 12)]
    )
    done = trading_floor.venue.send(sent)
    assert (done["acknowledged"], done["unanswered"]) == (len(sent), 0)
    last = trading_floor.venue.stop()["last_run"]
    replayed = replay(trading_floor.venue.journal)
    for name in ("commands", "state_hash"):
        assert replayed[name] == last[name], name
    commands, events = trading_floor.journal()
    commands, events = commands[commands["participant"] > 0], events[events["participant"] > 0]
    waits = np.isin(events["kind"], (EventKind.DELAYED, EventKind.ENTERED))
    wait_kinds = events["kind"][waits].tolist()
    assert wait_kinds.count(EventKind.DELAYED) == wait_kinds.count(EventKind.ENTERED) > 0
    events = events[~waits]
    for name in ("seq", "cause_seq"):
        events[name] = 0
    events["flags"] &= 0xFF ^ int(EventFlag.LAST)
    for name in ("seq", "rx_ts_ns"):
        commands[name] = 0
    # The gateway's rejects go out at once, what it let through when its time has come.
    at_once = (events["kind"] == EventKind.REJECTED) & (events["reason"] == Reason.GATEWAY)
    return commands, np.concatenate([events[at_once], events[~at_once]])


def test_a_speed_bump_after_the_rtl_gives_what_it_gives_after_the_golden_model(tmp_path) -> None:
    """Every packet's order is acknowledged once, each journal replays to its own run, and what the
    participant is told is the same."""
    commands, events = what_became_of(tmp_path / "rtl", RTL)
    others, wanted = what_became_of(tmp_path / "golden", VENUE + MORE)
    assert commands.tobytes() == others.tobytes()
    assert events.tobytes() == wanted.tobytes()
    kinds_told = set(kinds(events))
    assert {EventKind.ACCEPTED, EventKind.CANCELLED, EventKind.REJECTED} <= kinds_told
    assert commands["error_code"].any()
