"""The feed in shared memory of a venue: to the byte what the feed's store has, also after the death
of the feed's process; and the reader in C."""

import os
import shutil
import signal
import subprocess

import pytest

from openoutcry import PACKAGE
from openoutcry.client.shm import ShmClient
from openoutcry.client.shm_feed import count_of
from openoutcry.host.processes import named_children
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.order_entry.sessions_venue import KEY, Venue
from tests.support.order_entry.shm_storms import row
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, wait_until

READER = r"""
#include "outcry_client.h"
#include <stdio.h>
int main(int count, char **words) {
    struct outcry_session session;
    uint8_t key[32], message[OUTCRY_FEED_MESSAGE_BYTES];
    for (int i = 0; i < 32; i++) key[i] = (uint8_t)i;
    if (count != 2 || outcry_login(&session, words[1], "TWO", key, 0, "") != 0) return 1;
    const int64_t first = outcry_feed_number(&session);
    outcry_enter(&session, 1, OUTCRY_SIDE_BUY, outcry_symbol("ACME"), 3, 9000);
    for (int left = 1; left > 0;) {
        outcry_keep_alive(&session);
        const int size = outcry_feed_next(&session, message);
        if (size < 0) return 2;
        if (size == 0) continue;
        for (int i = 0; i < size; i++) printf("%02x", message[i]);
        printf("\n");
        left--;
    }
    printf("%lld %lld\n", (long long)first, (long long)session.feed_lost);
    outcry_logout(&session);
    return 0;
}
"""


def feed_of():
    return {"a": ["239.193.97.1", free_port()], "interface": "127.0.0.1", "ttl": 0, "shm": True}


def framed(store):
    """The messages of a store, each behind its length."""
    messages, at = [], 0
    while at < len(store):
        end = at + 2 + int.from_bytes(store[at : at + 2], "big")
        messages.append(store[at:end])
        at = end
    return messages


class Collected:
    """What a reader of the feed has got."""

    def __init__(self, client):
        self.client, self.first, self.data = client, client.feed.number, b""

    def come(self, wanted):
        """Whether so many messages have come."""
        for number, messages in self.client.feed.take():
            assert number == self.first + count_of(self.data), "no message is missing or doubled"
            self.data += messages
        self.client.poll()
        return count_of(self.data) >= wanted


@pytest.mark.promise(
    "A damaged feed is rejected or read, and no offset in it is followed outside of its "
    "bytes. The feed in shared memory has every message of the lines once; its readers can "
    "neither change it nor hold the venue up",
    group="venue",
)
def test_it_is_what_the_store_has_also_after_the_feeds_process_was_killed(tmp_path):
    path, journal = str(tmp_path / "shm.socket"), tmp_path / "journal"
    with (
        Venue([row("ONE", 1)], journal, shm=path, feed=feed_of()) as venue,
        ShmClient(path, "ONE", KEY) as client,
    ):
        got = Collected(client)
        for number in range(1, 201):
            client.enter(number, Side.BUY, "ACME", 1, 9_000 + number % 7)
        wait_until(lambda: got.come(200), "the orders are on the feed")
        (pid,) = (pid for name, pid in named_children(venue.process.pid) if name == "feed")
        os.kill(pid, signal.SIGKILL)
        for number in range(201, 401):
            client.enter(number, Side.BUY, "ACME", 1, 9_000, time_in_force=TimeInForce.GTC)
        wait_until(lambda: got.come(400), "so are those after its death")
        assert client.feed.lost == 0
        client.logout()
        assert venue.stop()["result"]["lost"] == 0
    (store,) = (journal / "market_data").glob("*.itch")
    kept = framed(store.read_bytes())
    assert got.data == b"".join(kept[got.first - 1 : got.first - 1 + count_of(got.data)])


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_reader_in_c_gets_the_same_messages(tmp_path):
    (tmp_path / "reader.c").write_text(READER)
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
    command += ["-I", str(PACKAGE / "client" / "c"), "reader.c", "-o", "reader"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=BOUND_S)
    path = str(tmp_path / "shm.socket")
    rows = [row("ONE", 1), row("TWO", 2)]
    with (
        Venue(rows, tmp_path / "journal", shm=path, feed=feed_of()) as venue,
        ShmClient(path, "ONE", KEY) as client,
    ):
        client.enter(1, Side.BUY, "ACME", 5, 9_000)
        assert client.next(BOUND_S).kind == Reply.ACCEPTED
        got = Collected(client)
        said = subprocess.run(
            [str(tmp_path / "reader"), path], capture_output=True, text=True, timeout=BOUND_S
        )
        assert said.returncode == 0, said
        *messages, end = said.stdout.splitlines()
        first, lost = map(int, end.split())
        assert lost == 0
        wait_until(lambda: got.come(len(messages)), "both have them")
        mine = framed(got.data)[first - got.first :][: len(messages)]
        assert [one[2:].hex() for one in mine] == messages
        client.logout()
        venue.stop()
