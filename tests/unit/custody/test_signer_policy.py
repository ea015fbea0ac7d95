"""A signer's own rules: what it signs, and what it refuses by which word."""

import hashlib
from dataclasses import replace

import pytest

pytest.importorskip("embit", reason="embit is not here: extra custody")

from embit import ec

from openoutcry.custody.errors import Refused
from openoutcry.custody.hsm import ORDER, signature_text
from openoutcry.custody.signer_policy import LEAP, Limit, Policy
from openoutcry.custody.signing import Outgoing, Reading
from openoutcry.custody.statement import Claim, Statement, claim_document, claim_of, reference_of

KEY = ec.PrivateKey(b"k" * 32)
OTHER = ec.PrivateKey(b"o" * 32)
CHAIN, ASSET, SCALE = "LTC", "LTC", 10
SECOND = 10**9


def signature(key, digest):
    raw = key.sign(digest).serialize()
    length = raw[3]
    r, s = int.from_bytes(raw[4 : 4 + length]), int.from_bytes(raw[6 + length :])
    return signature_text((r, min(s, ORDER - s)))


def claim(units, address="to", salt="s", state="sent", key=KEY, venue="OUTCRY", participant=7):
    reference = reference_of(participant, ASSET, CHAIN, address, units, salt)
    said = Statement(venue, reference, participant, ASSET, units, state)
    terms = participant, ASSET, CHAIN, address, units, salt
    return Claim(reference, *terms, said, signature(key, said.digest()))


def reading(claims, identity="tx", conflicts=("a:0",), fee=5, to_cold=0):
    pays = tuple(Outgoing(one.asset, one.address, one.units * SCALE) for one in claims)
    digest = hashlib.sha256(identity.encode()).digest()
    return Reading(identity, conflicts, pays, to_cold, fee, ASSET, (digest,))


class Clock:
    now = 10**18

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def policy(tmp_path, clock):
    limit = Limit(ASSET, CHAIN, SCALE, 100, 250, 400, 20, 60, 1_000)
    key = KEY.get_public_key().sec()
    with Policy(tmp_path / "signer.sqlite", "OUTCRY", key, [limit], 0, clock, clock) as made:
        yield made


def refused(policy, code, number, found, claims):
    with pytest.raises(Refused) as error:
        policy.allow(number, CHAIN, found, claims)
    assert error.value.code == code


def test_a_withdrawal_that_the_venue_states_is_signed_and_again_under_its_number(policy):
    one = claim(50)
    policy.allow(1, CHAIN, reading([one]), [one])
    policy.allow(1, CHAIN, reading([one]), [one])
    assert policy.last_number() == 1
    assert claim_of(claim_document(one)) == one


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": OTHER}, "not_stated"),
        ({"state": "approved"}, "not_sent"),
        ({"state": "done"}, "not_sent"),
        ({"venue": "ANOTHER"}, "other_statement"),
        ({"units": 101}, "too_much"),
    ],
)
def test_what_the_venue_does_not_state_is_not_signed(policy, change, code):
    one = claim(**({"units": 50} | change))
    refused(policy, code, 1, reading([one]), [one])
    assert policy.last_number() == 0


def test_a_claim_cannot_be_turned_to_another_address_or_amount(policy):
    one = claim(50)
    for changed in (
        replace(one, address="thief"),
        replace(one, units=60),
        replace(one, participant=8),
        replace(one, salt="t"),
    ):
        refused(policy, "other_destination", 1, reading([changed]), [changed])
    other = claim(60)
    mixed = replace(one, statement=other.statement, signature=other.signature)
    refused(policy, "other_statement", 1, reading([mixed]), [mixed])


def test_every_output_is_a_claim_and_every_claim_an_output(policy):
    one, two = claim(50), claim(30, "else")
    refused(policy, "unknown_output", 1, reading([one, two]), [one])
    refused(policy, "unknown_output", 1, reading([one]), [one, two])
    refused(policy, "unknown_output", 1, reading([one]), [])
    refused(policy, "claimed_twice", 1, reading([one, one]), [one, one])
    found = reading([one])
    more = replace(found, pays=(replace(found.pays[0], amount=found.pays[0].amount + 1),))
    refused(policy, "unknown_output", 1, more, [one])


def test_a_withdrawal_is_signed_again_only_in_the_place_of_all_before(policy):
    one = claim(50)
    policy.allow(1, CHAIN, reading([one], "first", ("a:0",)), [one])
    refused(policy, "paid_twice", 2, reading([one], "other", ("b:0",)), [one])
    policy.allow(2, CHAIN, reading([one], "second", ("a:0", "b:0")), [one])
    # It shares an output with the second, not with the first: both could be confirmed.
    refused(policy, "paid_twice", 3, reading([one], "third", ("b:0",)), [one])


def test_what_would_be_refused_is_said_of_each_and_records_nothing(policy):
    """As ``allow`` would say of each alone; with those before it where sums are limited."""
    paid = claim(50, salt="paid")
    policy.allow(1, CHAIN, reading([paid]), [paid])
    claims = {
        "": claim(100, salt="a"),
        "too_much": claim(101),
        "not_sent": claim(5, state="failed"),
        "not_stated": claim(6, key=OTHER),
        "unknown_asset": replace(claim(7), chain="BTC"),
        "other_destination": replace(claim(8), address="thief"),
        "paid_twice": paid,
        "limit": claim(100, salt="b"),
    }
    before, fits = claim(60, salt="c"), claim(40, salt="d")
    for _ in range(2):
        found = policy.refused(CHAIN, [before, *claims.values(), fits])
        assert {why.partition(":")[0] for why in found.values()} == set(claims) - {""}
        assert all(found[one.reference].startswith(code) for code, one in claims.items() if code)
        assert fits.reference not in found
    assert policy.last_number() == 1
    assert policy.asked() == [("tx", "")]


def test_numbers_only_grow(policy):
    one, two = claim(50), claim(50, salt="other")
    policy.allow(5, CHAIN, reading([one]), [one])
    refused(policy, "old_number", 4, reading([two], "tx2", ("b:0",)), [two])
    refused(policy, "used_number", 5, reading([two], "tx2", ("b:0",)), [two])


def test_a_number_far_above_the_last_uses_up_none(policy):
    """What a stolen signer says was its last number is the next one that the payer asks for."""
    one, two = claim(50), claim(30)
    policy.allow(5, CHAIN, reading([one]), [one])
    for far in (5 + LEAP + 1, 2**62 - 1):
        refused(policy, "far_number", far, reading([two], "tx2", ("b:0",)), [two])
    policy.allow(6, CHAIN, reading([two], "tx2", ("b:0",)), [two])
    assert policy.last_number() == 6


def test_hours_and_days_are_limited_and_a_replacement_counts_once(policy, clock):
    claims = [claim(100, salt=str(place)) for place in range(6)]
    sign = lambda place, number: policy.allow(  # noqa: E731
        number,
        CHAIN,
        reading([claims[place]], f"tx{number}", (f"{place}:0",)),
        [claims[place]],
    )
    sign(0, 1)
    sign(0, 2)
    sign(1, 3)
    with pytest.raises(Refused, match="hour"):
        sign(2, 4)
    clock.now += 3_601 * SECOND
    sign(2, 4)
    sign(3, 5)
    clock.now += 3_601 * SECOND
    with pytest.raises(Refused, match="day"):
        sign(4, 6)
    clock.now += 86_400 * SECOND
    sign(4, 6)


def test_fees_and_the_way_to_the_cold_wallet_are_limited(policy):
    one = claim(50)
    refused(policy, "fee_too_high", 1, reading([one], fee=21), [one])
    refused(policy, "fee_too_high", 1, reading([one], fee=-1), [one])
    for number in range(1, 4):
        policy.allow(number, CHAIN, reading([], f"c{number}", (f"{number}:0",), 20, 3_000), [])
    refused(policy, "limit", 4, reading([], "c4", ("4:0",), 1), [])
    refused(policy, "limit", 4, reading([], "c4", ("4:0",), 0, 1_001), [])
    policy.allow(4, CHAIN, reading([], "c4", ("4:0",), 0, 1_000), [])


def test_a_new_destination_waits_in_the_signers_own_clock(tmp_path, clock):
    limit = Limit(ASSET, CHAIN, SCALE, 100, 250, 400, 20, 60)
    key = KEY.get_public_key().sec()
    with Policy(tmp_path / "waits.sqlite", "OUTCRY", key, [limit], 3_600, clock, clock) as policy:
        one = claim(50)
        refused(policy, "new_destination", 1, reading([one]), [one])
        policy.announce(CHAIN, "to")
        clock.now += 3_000 * SECOND
        policy.announce(CHAIN, "to")
        refused(policy, "new_destination", 1, reading([one]), [one])
        clock.now += 601 * SECOND
        policy.allow(1, CHAIN, reading([one]), [one])


def test_what_was_signed_is_known_after_a_restart(tmp_path, clock):
    limit = Limit(ASSET, CHAIN, SCALE, 100, 250, 400, 20, 60)
    terms = "OUTCRY", KEY.get_public_key().sec(), [limit], 0, clock, clock
    one = claim(50)
    with Policy(tmp_path / "again.sqlite", *terms) as policy:
        policy.allow(9, CHAIN, reading([one]), [one])
    with Policy(tmp_path / "again.sqlite", *terms) as policy:
        refused(policy, "paid_twice", 10, reading([one], "tx2", ("b:0",)), [one])
        refused(policy, "old_number", 8, reading([], "tx3", ("c:0",)), [])


@pytest.mark.promise(
    "Signers are processes with a PIN from a descriptor. While one is away nothing is paid "
    "and no address is lost to the others; when it is back everything is done, once. What a "
    "signer's answers cost does not grow with what it signed or refused before",
    group="custody",
)
def test_what_was_signed_and_refused_long_ago_costs_nothing(policy, clock):
    """Else whoever may ask could make every answer slow, by requests that are refused."""

    def steps(asked):
        count = [0]

        def step():
            count[0] += 1

        policy.records.connection.set_progress_handler(step, 100)
        asked()
        policy.records.connection.set_progress_handler(None, 100)
        return count[0]

    def sign():
        one = claim(50, salt=f"s{clock.now}")
        number = policy.last_number() + 1
        policy.allow(number, CHAIN, reading([one], f"tx{number}", (f"{number}:0",)), [one])

    for _ in range(210):
        sign()
        policy.refuse(f"r{clock.now}", CHAIN, "limit")
        clock.now += 86_400 * SECOND
    before = steps(policy.asked), steps(sign)
    clock.now += 86_400 * SECOND
    with policy.records.change():
        rows = [(f"q{number}", CHAIN, "limit", number) for number in range(5_000)]
        policy.records.run_many("insert into refused values (?, ?, ?, ?)", rows)
        old = [(CHAIN, f"o{n}", f"o{n}", ASSET, "5", "[]", n) for n in range(5_000)]
        policy.records.run_many("insert into signed values (?, ?, ?, ?, ?, ?, ?)", old)
        old = [(CHAIN, f"o{n}", ASSET, "5", "5", "[]", n) for n in range(5_000)]
        policy.records.run_many("insert into moved values (?, ?, ?, ?, ?, ?, ?)", old)
    after = steps(policy.asked), steps(sign)
    assert max(after[n] - before[n] for n in range(2)) <= 5, (before, after)
