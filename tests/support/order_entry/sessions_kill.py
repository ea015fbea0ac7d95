"""What the tests of sessions kill in several tiers share."""

import random

import numpy as np

from openoutcry.journal import JournalReader
from tests.support.order_entry.sessions_traders import Trader, storm
from tests.support.order_entry.sessions_venue import Venue

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
