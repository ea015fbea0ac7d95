"""Each listener of a venue, its portal and its pages under attack, as the real processes: an honest
client is answered meanwhile, memory is bounded, and no connection is left.

The attackers come from one address, and from 50.  Nothing here is judged by the clock.  Not here:
metrics and the snapshots of the feed, whose honest clients waited too long under such attacks.
"""

import contextlib
import threading

import pytest

from tests.support.operations.attacked_venue import DOORS, AttackedVenue
from tests.support.operations.load_attacks import ATTACKS, MOST_MORE_BYTES, Held
from tests.support.waiting import wait_until

ROUNDS = 2
COMPRESSED = {
    "portal_requests", "portal_ws_api", "portal_streams", "portal_own_stream", "console",
    "console_socket", "screen", "screen_socket", "market_pages",
}  # fmt: skip
"""Listeners of HTTP and WebSocket, whose clients may offer compression."""
CASES = [
    (door, attack)
    for door in DOORS
    for attack in ATTACKS
    if attack != "compressed" or door in COMPRESSED
]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with AttackedVenue(tmp_path_factory.mktemp("attacked")) as venue:
        yield venue


@pytest.mark.promise(
    "Real processes under slow, fast, empty, fragmented, pipelined, unread and compressed attacks "
    "answer an honest client, in bounded memory. They keep no connection but those of logins that "
    "wait",
    group="doors",
)
@pytest.mark.parametrize("addresses", [1, 50])
@pytest.mark.parametrize(("door", "attack"), CASES)
def test_an_honest_client_is_answered_by_the_real_process(attacked, door, attack, addresses):
    listener, held, errors = attacked.door(door, addresses), [], []
    listener.ask()
    sockets, before = listener.descriptors(), listener.memories()

    def attacks(held: Held) -> None:
        try:
            for _ in range(ROUNDS):
                ATTACKS[attack](listener, held)
        except BaseException as error:
            errors.append(error)

    most: dict[int, int] = {}

    def look() -> None:
        listener.ask()
        for pid, size in listener.memories().items():
            most[pid] = max(most.get(pid, 0), size - before.get(pid, 0))

    attacking = threading.Thread(target=attacks, args=(held,))
    attacking.start()
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [one.close() for one in held])
        stack.callback(attacking.join)
        for _ in range(ROUNDS):
            look()
        attacking.join()
        look()
    assert errors == []
    assert max(most.values()) <= MOST_MORE_BYTES, most
    listener.ask()

    def is_left() -> bool:
        counts = listener.descriptors().items()
        return all(count <= sockets.get(pid, 0) + listener.most_left for pid, count in counts)

    wait_until(is_left, "the connections are closed")
