"""OUCH 5.0 with a pipeline in processes of its own, all of which are killed.  What does not need
processes is in tests/unit/order_entry."""

import random

import pytest

from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.wire.messages import OUCH50
from tests.support.order_entry.sessions_clients import five
from tests.support.order_entry.sessions_traders import Trader, storm
from tests.support.order_entry.sessions_venue import DAY, Client, Venue

OUCH50_PORT, COPY_PORT = int(Protocol.OUCH50), int(Protocol.DROP_COPY)
KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}


def copies(venue, name, count, **login):
    """So many messages of a drop copy."""
    client = Client(venue.ports["DROP_COPY"], name, **login)
    bodies = [client.packet()[1] for _ in range(count)]
    client.close()
    return bodies


class Trader50(Trader):
    """A trader of 5.0: his numbers rise, so what was not answered is sent again in its order."""

    def order(self, token):
        side = "B" if (token + len(self.trader)) % 2 else "S"
        return OUCH50.from_client("O").pack(
            user_ref=token,
            side=side,
            quantity=1 + token % 7,
            symbol="ACME",
            price=10_000,
            time_in_force="0" if token % 5 == 0 else "3",
            display="Y",
            capacity="P",
            iso="N",
            cross="N",
            clordid="",
            appendage_bytes=0,
        )

    def token(self, body):
        accepted = OUCH50.from_server("A")
        return accepted.unpack(body[: accepted.size_bytes])["user_ref"]


@pytest.mark.long
def test_everything_is_killed_while_5_0_trades(tmp_path):
    """What was acknowledged is there once, and the streams and copies are what they were."""
    rows = [
        {"name": "EVEN", "participant": 1, "protocol": OUCH50_PORT, **KEEP},
        {"name": "ODDS5", "participant": 2, "protocol": OUCH50_PORT, **KEEP},
        {"name": "BOTH", "participant": 0, "group": [1, 2], "protocol": COPY_PORT},
    ]
    rng = random.Random(50)
    with Venue(rows, tmp_path / "journal", durability="durable") as venue:
        copied = []

        def break_it():
            bodies = copies(venue, "BOTH", 40 + len(copied))
            assert bodies[: len(copied)] == copied
            copied[:] = bodies
            venue.kill()
            if rng.random() < 0.5:
                for stream in (tmp_path / "journal" / "sessions").glob(f"*.{DAY}.stream"):
                    stream.unlink()
            venue.start()

        traders = [Trader50("EVEN"), Trader50("ODDS5")]
        storm(traders, lambda name, **login: five(venue, name, **login), 2, rng, break_it)
        for trader in traders:
            assert len(trader.check()) >= 40
            client = five(venue, trader.trader)
            assert [client.packet()[1] for _ in trader.messages] == trader.messages
            client.close()
        assert copies(venue, "BOTH", len(copied)) == copied
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
