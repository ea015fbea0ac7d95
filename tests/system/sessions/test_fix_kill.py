"""Both ends of FIX sessions are killed in mid-traffic, over and over: every order that was sent is
in the book once, every report comes once, and what is sent again is what it was."""

import os
import random
import threading

import numpy as np
import pytest

from openoutcry.client import ClientError, FixClient, FixNumbers
from openoutcry.journal import JournalReader
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import CommandKind
from tests.support.order_entry.sessions_traders import content_of
from tests.support.order_entry.sessions_venue import PASSWORD, Venue, kill_stage
from tests.support.waiting import BOUND_S, wait_until

SESSIONS = [
    {"name": f"F{n}", "participant": n, "cancel_on_disconnect": 0, "protocol": int(Protocol.FIX44)}
    for n in (1, 2)
]
GONE = ("closed the connection", "refused", "lost")
"""What a client says of a venue that is down."""
AHEAD = 20
"""Orders that wait for their answers at once."""


class FixTrader:
    """Sends orders as fast as they are answered, and keeps what it is told by number; what it
    counts outlives its connections."""

    def __init__(self, name):
        self.name, self.rng = name, random.Random(name)
        self.numbers = FixNumbers()
        self.messages = {}
        self.answered = set()
        self.wrong = ""

    def connect(self, venue):
        """A connection, as soon as the venue is there; None if it refuses one."""

        def tried():
            try:
                client = FixClient(
                    "127.0.0.1",
                    venue.ports["FIX44"],
                    self.name,
                    PASSWORD,
                    numbers=self.numbers,
                    next_expected=self.rng.random() < 0.3,
                    prefix=self.name,
                    timeout_s=BOUND_S,
                )
            except ClientError as error:
                if any(word in str(error) for word in GONE):
                    return []
                self.wrong, client = str(error), None
            return [client]

        return wait_until(tried, "the venue accepts or refuses a connection")[0]

    def trade(self, venue, wanted):
        """On as many connections as it takes, until so many orders were answered."""
        while not self.wrong and len(self.answered) < wanted:
            client = self.connect(venue)
            if client is None:
                return
            try:
                self.on_one(client, wanted)
            except ClientError as error:
                if "venue logged out" in str(error) or "damaged" in str(error):
                    self.wrong = str(error)
            finally:
                client.close()

    def on_one(self, client, wanted):
        while len(self.answered) < wanted:
            while self.numbers.last_name - len(self.answered) < AHEAD:
                side = "1" if self.rng.random() < 0.5 else "2"
                client.enter(side, "ACME", self.rng.randint(1, 50), "1.00")
            if self.rng.random() < 0.02:
                return  # this side loses the connection
            if self.rng.random() < 0.01:
                client.ask_again(self.rng.randint(1, self.numbers.next_in))
            message = client.next(BOUND_S)
            if message is None:
                self.wrong = "no answer"
                return
            self.keep(message)

    def keep(self, message):
        content = content_of(message)
        if self.messages.setdefault(message.sequence, content) != content:
            self.wrong = f"{message.sequence} was {self.messages[message.sequence]}, is {content}"
        if message.get(150) == "0":
            self.answered.add(message[11])

    def check(self, orders):
        assert not self.wrong, self.wrong
        accepted = [
            dict(fields)[11] for fields, _ in self.messages.values() if (150, "0") in fields
        ]
        assert sorted(set(accepted)) == sorted(accepted), "an order was acknowledged twice"
        reports = [
            dict(fields)[17] for fields, _ in self.messages.values() if (17, "") not in fields
        ]
        assert len(set(reports)) == len(reports), "a report has two numbers"
        assert len(orders) == len(accepted), "the journal has each acknowledged order once"


def storm(venue, break_it, rounds, rng):
    traders = [FixTrader(row["name"]) for row in SESSIONS]
    for number in range(1, rounds + 1):
        wanted = [60 * number] * len(traders)
        threads = [
            threading.Thread(target=t.trade, args=(venue, w), daemon=True)
            for t, w in zip(traders, wanted, strict=True)
        ]
        for thread in threads:
            thread.start()
        enough = 60 * number - rng.randint(20, 50)
        wait_until(
            lambda enough=enough: any(len(t.answered) > enough or t.wrong for t in traders),
            f"a trader has had {enough} answers",
        )
        break_it()
        for thread in threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()
        assert not any(t.wrong for t in traders), [t.wrong for t in traders]
    return traders


def check_again(venue, traders):
    """All of it once more, from the first number; then what the journal has."""
    for trader in traders:
        client = trader.connect(venue)
        # Whatever is still under way.
        while trader.numbers.last_name > len(trader.answered):
            trader.keep(client.next(BOUND_S))
        last = max(trader.messages)
        client.ask_again(1)
        again = {}
        while last not in again:
            message = client.next(BOUND_S)
            again[message.sequence] = content_of(message)
        assert again == {n: content for n, content in trader.messages.items() if n <= last}
        client.logout()
    venue.report = venue.stop()
    commands = np.concatenate(
        [orders for _, orders in JournalReader(venue.document["journal"]).chunks()]
    )
    news = commands[commands["kind"] == CommandKind.NEW]
    assert len(np.unique(news["order_id"])) == len(news)
    for number, trader in enumerate(traders, start=1):
        trader.check(news[news["participant"] == number])
    assert (venue.report["result"]["lost"], venue.report["result"]["duplicated"]) == (0, 0)
    assert venue.report["replay"]["equal"] is True


def kill_everything(tmp_path, rounds):
    rng = random.Random(11)
    with Venue(SESSIONS, tmp_path / "journal", durability="durable") as venue:

        def break_it():
            venue.kill()
            if rng.random() < 0.5:
                # The streams are made again from the journal; numbers are not in it.
                for stream in (tmp_path / "journal" / "sessions").glob("*.stream"):
                    stream.unlink()
            venue.start()

        check_again(venue, storm(venue, break_it, rounds, rng))


def test_everything_is_killed_and_started_again(tmp_path):
    kill_everything(tmp_path, rounds=2)


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
@pytest.mark.long
def test_everything_is_killed_many_times(tmp_path):
    kill_everything(tmp_path, rounds=int(os.environ.get("OUTCRY_KILLS", "10")))


@pytest.mark.long
def test_the_stage_is_killed_while_the_rest_lives(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal", durability="durable", housekeeping_cores=0) as venue:

        def break_it():
            kill_stage(venue)

        check_again(venue, storm(venue, break_it, 3, random.Random(5)))
        assert len(venue.report["restarts"]) == 3
