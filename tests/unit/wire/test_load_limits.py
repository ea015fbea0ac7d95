"""wire/load_limits.py: budgets, places and turns of owners."""

import asyncio
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.wire.load_limits import (
    Budget,
    Budgets,
    Logins,
    Places,
    Rate,
    SharedPlaces,
    Turns,
    TurnsError,
)
from openoutcry.wire.peers import address_of


def test_a_client_has_so_many_requests_at_once_and_earns_more() -> None:
    budgets = Budgets(Rate(per_s=2, at_once=4))
    assert [budgets.of("a").take(0.0) for _ in range(5)] == [True] * 4 + [False]
    assert budgets.of("b").take(0.0), "another has its own"
    assert [budgets.of("a").take(1.0) for _ in range(3)] == [True, True, False]
    assert [budgets.of("a").take(9.0) for _ in range(5)] == [True] * 4 + [False]


@given(
    st.integers(1, 1_000),
    st.integers(1, 700),
    st.lists(st.tuples(st.integers(0, 2_000), st.booleans()), max_size=200),
)
def test_a_budget_gives_what_counted_tokens_give(
    per_s: int, at_once: int, steps: list[tuple[int, bool]]
) -> None:
    """``take`` as counted tokens; ``spend`` waits for as long as the missing ones take."""
    rate = Rate(per_s, at_once)
    budget, tokens, at_ms = Budget(rate), Fraction(at_once), 0
    for pause_ms, takes in steps:
        at_ms += pause_ms
        earned = Fraction(pause_ms * 10**6, rate.each_ns)
        tokens = min(tokens + earned, Fraction(at_once))
        if takes:
            has_one = tokens >= 1
            assert budget.take(at_ms / 1e3) == has_one
            tokens -= has_one
        else:
            tokens -= 3
            wait_s = budget.spend(at_ms / 1e3, 3)
            assert wait_s == pytest.approx(max(0.0, -float(tokens)) * rate.each_ns / 1e9, abs=1e-9)


def test_the_owner_that_came_longest_ago_is_forgotten_first() -> None:
    budgets = Budgets(Rate(per_s=1, at_once=1), most=2)
    for owner in "aba":
        budgets.of(owner).spend(0.0)
    budgets.of("c")  # in the place of b
    assert not budgets.of("a").take(0.0)
    assert budgets.of("b").take(0.0)


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_an_address_has_its_share_and_leaves_others_theirs() -> None:
    places: Places[tuple[str, int]] = Places(10, 3)
    number = iter(range(1_000))

    def taken(owner: str, count: int) -> int:
        held = 0
        for _ in range(count):
            if not (places.is_full() or places.is_full_of(owner)):
                places.take(owner, (owner, next(number)))
                held += 1
        return held

    assert taken("10.0.0.1", 20) == 3
    assert taken("10.0.0.2", 3) == 3
    assert places.leave(("10.0.0.1", 0))
    assert not places.leave(("10.0.0.1", 0)), "once"
    assert taken("10.0.0.1", 2) == 1
    assert taken("10.0.0.3", 3) == 3
    assert taken("10.0.0.4", 3) == 1, "ten in all"
    assert places.counts() == {"10.0.0.1": 3, "10.0.0.2": 3, "10.0.0.3": 3, "10.0.0.4": 1}
    assert places.oldest_of_most() == ("10.0.0.1", 1)
    places.take("10.0.0.2", ("10.0.0.2", 99))
    assert places.oldest_of_most() == ("10.0.0.2", 3)


def test_this_hosts_addresses_have_all_places() -> None:
    """A proxy on it speaks for all its clients."""
    for here in ("127.0.0.1", "::1"):
        places: Places[int] = Places(10, 3)
        for number in range(10):
            assert not places.is_full_of(here), number
            places.take(here, number)
        assert places.is_full()


def test_a_login_that_is_checked_gives_way_to_logins_alone() -> None:
    """To none of those that say nothing, from however many addresses; of both kinds the address
    with most loses its oldest."""
    logins = Logins[str](2)
    assert logins.came("honest", "a") is None
    assert logins.begun("a") is None
    gone = [logins.came(f"address {number}", f"silent {number}") for number in range(50)]
    assert gone == [None, None, *(f"silent {number}" for number in range(48))]
    assert logins.begun("not there") is None
    assert logins.begun("silent 49") is None
    assert logins.came("crowd", "b") is None
    assert logins.begun("b") == "a", "each has one, and it is the oldest"
    assert logins.came("honest", "c") is None
    assert logins.begun("c") == "silent 49", "the crowd has most"
    for one in ("silent 48", "b", "c"):
        logins.leave(one)
    assert (len(logins.silent), len(logins.checked)) == (0, 0)


def test_places_are_given_back_also_after_an_error() -> None:
    places: Places[str] = Places(2, 1)
    first, second = places.place("10.0.0.1", "one"), places.place("10.0.0.1", "two")
    with first as has_place, second as has_another:
        assert (has_place, has_another) == (True, False)
    with pytest.raises(ZeroDivisionError), places.place("10.0.0.1", "one"):
        raise ZeroDivisionError
    assert len(places) == 0
    assert not places.is_full_of("10.0.0.1")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("10.0.0.1", 1), "10.0.0.1"),
        (("::ffff:10.0.0.1", 1, 0, 0), "::ffff:10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::9", 1, 0, 0), "2001:db8:1:2::"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::"),
        (("::1", 1, 0, 0), "::1"),
        (None, ""),
        ("", ""),
    ],
)
def test_of_ipv6_a_customers_network_is_one_address(peer: Any, address: str) -> None:
    assert address_of(peer) == address


async def test_an_owner_that_pauses_keeps_no_other_waiting() -> None:
    """Its turn comes back after the pause, the place among all turns at once."""
    turns, order = Turns(at_once=1, each=1, waiting=2), list[str]()

    async def work(owner: str, pause_s: float) -> None:
        async with turns.turn(owner) as turn:
            order.append(owner)
            turn.pause_s = pause_s

    first, again, other = [
        asyncio.create_task(work(owner, pause_s))
        for owner, pause_s in (("a", 1e6), ("a", 0.0), ("b", 0.0))
    ]
    await asyncio.gather(first, other)
    await asyncio.sleep(0)
    assert order == ["a", "b"]
    again.cancel()
    held = [asyncio.create_task(work("a", 0.0)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TurnsError):
        await work("a", 0.0)
    for one in held:
        one.cancel()
    await asyncio.gather(again, *held, return_exceptions=True)
    assert order == ["a", "b"]


async def test_an_owner_waits_here_for_its_turn_in_another_process() -> None:
    """The turn of the other process is a place of the owner that is held."""
    places = SharedPlaces()

    turns, order = Turns(at_once=1, each=1, waiting=2, shared=places), list[str]()
    elsewhere = places.take("a", range(1))
    assert elsewhere is not None

    async def work(owner: str) -> None:
        async with turns.turn(owner):
            order.append(owner)

    waits = asyncio.create_task(work("a"))
    await asyncio.sleep(0)
    await work("b")
    assert order == ["b"]
    places.leave(elsewhere)
    await waits
    assert order == ["b", "a"]
    # What was cancelled or refused keeps no place.
    held = [places.take("a", range(4)) for _ in range(5)]
    assert held[-1] is None
    assert None not in held[:-1]


@pytest.mark.parametrize("attackers", [1, 50])
async def test_however_many_fail_the_others_wait_for_one_of_them(attackers: int) -> None:
    """Each attacker fails again and again; what another owner asks for then is next but one."""

    async def log_in_within(login: Any, release: asyncio.Semaphore) -> None:
        task = asyncio.create_task(login)
        while not task.done():
            release.release()
            await asyncio.sleep(0)

    turns, order, release = Turns(2, 2, 4), list[str](), asyncio.Semaphore(0)

    async def fail(owner: str) -> None:
        for _ in range(3):
            async with turns.turn(owner) as turn:
                turn.has_failed = True
                await release.acquire()
                order.append(owner)

    async def log_in(owner: str) -> None:
        async with turns.turn(owner):
            await release.acquire()
            order.append(owner)

    async def until(count: int) -> None:
        while len(order) < count:
            release.release()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(fail(f"attacker {number}")) for number in range(attackers)]
    await until(attackers)  # each has failed once
    for number in range(3):
        before = len(order)
        await log_in_within(log_in(f"other {number}"), release)
        assert len(order) - before <= 4
    # An attacker that gives up while it waits is still one that has failed.
    gives_up = asyncio.create_task(turns.turn("attacker 0").__aenter__())
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    before = len(order)
    await log_in_within(log_in("other"), release)
    assert len(order) - before <= 4
    await until(3 * attackers + 4)
    await asyncio.gather(*tasks)
    # A turn that succeeds makes up for those that failed.
    await log_in_within(log_in("attacker 0"), release)
    assert "attacker 0" not in turns._failed
