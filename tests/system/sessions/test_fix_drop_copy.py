"""A drop copy over FIX with a pipeline in processes of its own, all of which are killed.  What does
not need processes is in tests/unit/order_entry."""

from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from tests.support.order_entry.sessions_clients import connect, take
from tests.support.order_entry.sessions_venue import Venue

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
SESSIONS = [
    {"name": "FIRM", "participant": 1, "protocol": int(Protocol.FIX44), **KEEP},
    {"name": "WATCH", "participant": 0, "group": [1],
     "protocol": int(Protocol.FIX_DROP_COPY)},
]  # fmt: skip
HEADER = {8, 9, 10, 34, 43, 52, 122}


def body(message):
    return [(tag, value) for tag, value in message.fields if tag not in HEADER]


def test_what_was_told_comes_again_after_everything_was_killed(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal", durability="durable") as venue:
        watch, firm = connect(venue, "WATCH", port="FIX_DROP_COPY"), connect(venue)
        name = firm.buy("ACME", 100, "12.34")
        firm.cancel(name, "ACME", "1")
        copied = take(watch, 2)
        assert [message[150] for message in copied] == ["0", "4"]
        venue.kill()
        venue.start()
        again = connect(venue, "WATCH", port="FIX_DROP_COPY", numbers=watch.numbers)
        again.ask_again(1)
        assert [body(message) for message in take(again, 2)] == [body(one) for one in copied]
        again.close()
