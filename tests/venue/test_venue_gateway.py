"""A venue whose gateway is the RTL: its registers have what the core publishes."""

import numpy as np
import pytest
from served_venue import VENUE
from venue_floor import MORE, Floor, gateway_told, kinds, order

from openoutcry.gateway_fpga import Limits, Settings, make_rules, validate_orders
from openoutcry.gateway_fpga.settings import PARTICIPANTS
from openoutcry.replay.replay import replay
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, Side

RTL = VENUE.replace("housekeeping_cores = 0", 'housekeeping_cores = 0\ngateway = "rtl"') + MORE


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    made = Floor(tmp_path_factory.mktemp("rtl"), RTL)
    yield made
    last = made.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    found = replay(made.venue.journal)
    assert (found["state_hash"], found["commands"]) == (last["state_hash"], last["commands"])


def test_the_rtl_refuses_first_what_the_core_would(floor) -> None:
    """A kill and a halt, over a kill of all its processes; what is taken back passes again, and
    every verdict is the golden model's for what stood then."""

    def sent(number: int, who: int = 1):
        (events,) = floor.send(order(number, Side.BUY, 5, 10, who=who))
        return events

    assert kinds(sent(1)) == [EventKind.ACCEPTED]
    floor.ask("kill", "participant", "1")
    assert gateway_told(sent(2)) == {"PARTICIPANT"}
    assert kinds(sent(3, who=2)) == [EventKind.ACCEPTED]
    floor.again()
    assert gateway_told(sent(4)) == {"PARTICIPANT"}
    floor.ask("resume", "participant", "1")
    assert kinds(sent(5)) == [EventKind.ACCEPTED]
    floor.ask("halt", "GOLD")
    assert gateway_told(sent(6)) == {"HALTED"}

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
