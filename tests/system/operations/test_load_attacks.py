"""Each listener of a venue, its portal and its pages under attack, as the real processes: an honest
client is answered meanwhile, memory is bounded, and no connection is left.

The attackers come from one address, and from 50.  Nothing here is judged by the clock.
"""

import pytest

from tests.support.operations.attacked_venue import DOORS, AttackedVenue
from tests.support.operations.load_attacks import (
    MOST_MORE_BYTES,
    Memory,
    attacks_of,
    left,
    under_attack,
)
from tests.support.waiting import wait_until

ROUNDS = 2
CASES = [(door, attack) for door in DOORS for attack in attacks_of(door)]


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
    listener = attacked.door(door, addresses)
    listener.ask()
    sockets, memory = listener.descriptors(), Memory(listener)
    with under_attack(listener, attack, ROUNDS) as attacking:
        for _ in range(ROUNDS):
            listener.ask()
            memory.look()
        attacking.join()
        listener.ask()
        memory.look()
    assert max(memory.most.values()) <= MOST_MORE_BYTES, memory.most
    listener.ask()
    wait_until(lambda: left(listener, sockets), "the connections are closed")
