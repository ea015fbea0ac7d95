"""Everything is killed in mid-traffic, over and over, and started again: no acknowledged order is
lost, none is doubled, and each session's stream is from every number byte for byte what it was."""

import itertools
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.order_entry import soupbin
from openoutcry.pipeline.deaths import Place
from openoutcry.pipeline.top import running
from tests.support.order_entry.sessions_traders import Trader, storm
from tests.support.order_entry.sessions_venue import Venue, enter, stage_row
from tests.support.processes import alive
from tests.support.waiting import wait_until

SESSIONS = [{"name": f"S{n}", "participant": n, "cancel_on_disconnect": 0} for n in (1, 2, 3)]


def check_streams(venue, traders):
    """What was ever told is told again, byte for byte, from the first number."""
    for trader in traders:
        accepted = trader.check()
        assert len(accepted) >= 40
        client = venue.client(trader.trader)
        again = [client.packet()[1] for _ in range(len(trader.messages))]
        assert again == trader.messages
        client.close()


def check_journal(path, traders):
    """Every acknowledged order stands in it once."""
    commands = np.concatenate([orders for _, orders in JournalReader(path).chunks()])
    news = commands[(commands["kind"] == 1)]
    assert len(np.unique(news["order_id"])) == len(news)
    for number, trader in enumerate(traders, start=1):
        mine = news[news["participant"] == number]
        assert len(mine) >= len(trader.check())


def kill_storm(durability, tmp_path, rounds):
    rng = random.Random(7)
    with Venue(SESSIONS, tmp_path / "journal", durability=durability) as venue:

        def break_it():
            venue.kill()
            if rng.random() < 0.5:
                # As after a power cut: the streams are made again from the journal alone.
                for stream in (tmp_path / "journal" / "sessions").glob("*.stream"):
                    stream.unlink()
            venue.start()

        traders = [Trader(row["name"]) for row in SESSIONS]
        storm(traders, venue.client, rounds, rng, break_it)
        check_streams(venue, traders)
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
    check_journal(tmp_path / "journal", traders)


@pytest.mark.parametrize("durability", ["durable"])
def test_everything_is_killed_and_started_again(durability, tmp_path):
    kill_storm(durability, tmp_path, rounds=2)


def test_a_login_right_after_a_death_is_accepted(tmp_path):
    """The first login that a client sends after it has lost its connection, and none but it."""
    with Venue(SESSIONS, tmp_path / "journal", durability="durable") as venue:
        client = venue.client("S1")
        for number in range(1, 6):
            client.enter(f"a{number}")
            assert client.message()[0] == "A"
            row = stage_row(venue)
            os.kill(row["pid"], signal.SIGKILL)
            assert client.packet() == ("", b"")
            client = venue.client("S1", sequence=number + 1, wait_s=0)
            assert client.answer[0] == "A"
            assert client.number == number + 1
            assert stage_row(venue)["restarts"] == number
        client.close()


def test_the_sessions_stage_dies_while_the_rest_lives(tmp_path):
    """With a process for the front and one for the back: the sessions die with the matcher, and
    come back with what the journal has and what only shared memory has."""
    places = [Place.BEFORE_STEP, Place.BEFORE_RETURN, Place.BEFORE_RETURN]
    rng, seq, deaths = random.Random(3), 0, []
    for place in places:
        seq += rng.randint(150, 400)
        deaths.append(("sessions", seq, place))
    with Venue(
        SESSIONS, tmp_path / "journal", durability="durable", housekeeping_cores=0, deaths=deaths
    ) as venue:
        restarts = itertools.count(1)

        def break_it():
            wanted = next(restarts)
            wait_until(lambda: stage_row(venue)["restarts"] >= wanted, "the stage is restarted")

        traders = [Trader(row["name"]) for row in SESSIONS]
        storm(traders, venue.client, len(deaths), rng, break_it)
        check_streams(venue, traders)
        report = venue.stop()
    assert len(report["restarts"]) == len(deaths)
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
    check_journal(tmp_path / "journal", traders)


def test_a_dead_acceptor_is_replaced(tmp_path):
    with Venue(SESSIONS, durability="none") as venue:
        children = f"/proc/{venue.process.pid}/task/{venue.process.pid}/children"
        venue.client("S1").close()
        pids = [int(pid) for pid in Path(children).read_text().split()]
        (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
        stages = {row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]}
        (acceptor,) = set(pids) - stages
        os.kill(acceptor, signal.SIGKILL)
        wait_until(lambda: not alive(acceptor), "the acceptor is gone")
        client = venue.client("S2")
        client.socket.sendall(soupbin.packet("U", enter("a", "B", 1, "ACME", 10_000)))
        assert client.message()[0] == "A"
        client.close()


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
@pytest.mark.long
def test_everything_is_killed_many_times(tmp_path):
    kill_storm("durable", tmp_path, rounds=int(os.environ.get("OUTCRY_KILLS", "10")))
