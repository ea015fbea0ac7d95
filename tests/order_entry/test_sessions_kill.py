"""Everything is killed in mid-traffic, over and over, and started again: no acknowledged order is
lost, none is doubled, and each session's stream is from every number byte for byte what it was."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sessions_venue import Venue, enter

from openoutcry.journal import JournalReader
from openoutcry.order_entry import soupbin
from openoutcry.pipeline.top import running

SESSIONS = [{"name": f"S{n}", "participant": n, "cancel_on_disconnect": 0} for n in (1, 2, 3)]


class Trader(threading.Thread):
    """Sends orders as fast as they are acknowledged, and keeps what it is told, until the
    connection goes; after that it goes on from its next number."""

    def __init__(self, name):
        super().__init__()
        self.trader, self.rng = name, random.Random(name)
        self.told = []
        self.sent = 0
        self.unanswered = []
        self.stopping = False
        self.wrong = ""

    def trade(self, port_client):
        """On one connection; whatever was not answered before is sent again, as it was."""
        client = port_client(self.trader, sequence=len(self.told) + 1)
        if client.number != len(self.told) + 1:
            self.wrong = f"{client.answer} after {len(self.told)} messages"
            return
        for token in self.unanswered:
            client.send(self.order(token))
        while not self.stopping:
            try:
                while len(self.unanswered) < 20:
                    self.sent += 1
                    self.unanswered.append(self.sent)
                    client.send(self.order(self.sent))
                kind, body = client.packet()
            except OSError:
                break
            if kind != "S":
                break
            self.told.append(body)
            if body[:1] == b"A":
                token = int(body[9:23])
                self.unanswered = [one for one in self.unanswered if one != token]
        client.close()

    def order(self, token):
        side = "B" if (token + int(self.trader[1])) % 2 else "S"
        tif = 99998 if token % 5 == 0 else 0  # four of five are gone at once: the book stays small
        return enter(str(token), side, 1 + token % 7, "ACME", 10_000, time_in_force=tif)

    def check(self):
        """Each token was accepted once, in its order."""
        accepted = [int(body[9:23]) for body in self.told if body[:1] == b"A"]
        assert not self.wrong, self.wrong
        assert sorted(set(accepted)) == sorted(accepted), "an order was doubled"
        return accepted


def storm(venue, rounds, rng, break_it):
    """Trade, break, trade again."""
    traders = [Trader(row["name"]) for row in SESSIONS]
    for _ in range(rounds):
        before = [len(t.told) for t in traders]
        threads = [
            threading.Thread(target=t.trade, args=(venue.client,), daemon=True) for t in traders
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 300
        while time.monotonic() < until and any(
            len(t.told) < b + 40 for t, b in zip(traders, before, strict=True) if not t.wrong
        ):
            time.sleep(0.01)
        time.sleep(rng.random() * 0.2)
        break_it()
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive()
    return traders


def check_streams(venue, traders):
    """What was ever told is told again, byte for byte, from the first number."""
    for trader in traders:
        accepted = trader.check()
        assert len(accepted) >= 40
        client = venue.client(trader.trader)
        again = [client.packet()[1] for _ in range(len(trader.told))]
        assert again == trader.told
        client.close()


def check_journal(path, traders):
    """Every acknowledged order stands in it once."""
    commands = np.concatenate([orders for _, orders in JournalReader(path).chunks()])
    news = commands[(commands["kind"] == 1)]
    assert len(np.unique(news["order_id"])) == len(news)
    for number, trader in enumerate(traders, start=1):
        mine = news[news["participant"] == number]
        assert len(mine) >= len(trader.check())


@pytest.mark.parametrize("durability", ["durable"])
def test_everything_is_killed_and_started_again(durability, tmp_path):
    kill_storm(durability, tmp_path, rounds=2)


@pytest.mark.long
def test_everything_is_killed_many_times(tmp_path):
    kill_storm("durable", tmp_path, rounds=int(os.environ.get("OUTCRY_KILLS", "10")))


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

        traders = storm(venue, rounds, rng, break_it)
        check_streams(venue, traders)
        said = venue.stop()
    assert (said["result"]["lost"], said["result"]["duplicated"]) == (0, 0)
    assert said["replay"]["equal"] is True
    check_journal(tmp_path / "journal", traders)


def test_the_stages_processes_are_killed_while_the_rest_lives(tmp_path):
    """With a process for the front and one for the back: the sessions die with the matcher, and
    come back with what the journal has and what only shared memory has."""
    with Venue(SESSIONS, tmp_path / "journal", durability="durable", spare_cores=0) as venue:

        def break_it():
            (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
            while True:
                rows = pipeline.view(pipeline.positions(), 1)["stages"]
                pid = next(row["pid"] for row in rows if row["name"] == "sessions")
                try:
                    return os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    time.sleep(0.01)  # the one before is not replaced yet

        traders = storm(venue, 3, random.Random(3), break_it)
        check_streams(venue, traders)
        said = venue.stop()
    assert len(said["restarts"]) == 3
    assert (said["result"]["lost"], said["result"]["duplicated"]) == (0, 0)
    assert said["replay"]["equal"] is True
    check_journal(tmp_path / "journal", traders)


def test_a_dead_doorman_is_replaced(tmp_path):
    with Venue(SESSIONS, durability="none") as venue:
        children = f"/proc/{venue.process.pid}/task/{venue.process.pid}/children"
        venue.client("S1").close()
        pids = [int(pid) for pid in Path(children).read_text().split()]
        (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
        stages = {row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]}
        (doorman,) = set(pids) - stages
        os.kill(doorman, signal.SIGKILL)
        time.sleep(0.5)
        client = venue.client("S2")
        client.socket.sendall(soupbin.packet("U", enter("a", "B", 1, "ACME", 10_000)))
        assert client.message()[0] == "A"
        client.close()
