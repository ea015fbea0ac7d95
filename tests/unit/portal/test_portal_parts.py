"""Parts of the portal: amounts, parameters, limits, signatures, candles, keys of streams."""

import asyncio
import base64
import hashlib
import hmac
import os
import random
import re
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import PACKAGE
from openoutcry.derivatives.contracts import PERPETUAL, Contract, lot_value
from openoutcry.portal import database
from openoutcry.portal.accounts.api_keys import ED25519, HMAC, RSA, ApiKey, public_key_of
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.accounts.passwords import totp_step
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.quotes.package import Package
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.limits import BAN_AFTER, BAN_S, Limits
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import SIGNATURE, pairs_of
from openoutcry.portal.spot.signing import Replays, is_signed
from openoutcry.portal.spot.user_data import LASTS_S, ListenKeys
from openoutcry.portal.trading import orders as portal_orders
from openoutcry.portal.trading import service
from openoutcry.portal.trading.broker import NewOrder, Refusal
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.portal.trading.orders import REJECTED, Order, OrderList, ParticipantOrders
from openoutcry.portal.trading.public import INTERVALS, Candle, Tape, Trade, bounds, with_gaps
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.portal.trading.service import OrderService
from openoutcry.portal.trading.terms import price_of
from openoutcry.portal.trading.venue_watch import VenueWatch
from openoutcry.risk.bits import RISK_REASON, RiskBit
from openoutcry.runtime import control, loop
from openoutcry.wire.decimals import AmountError, units_of
from openoutcry.wire.enums import OrderType, Side, TimeInForce
from openoutcry.wire.errors import OutcryError

ROW = {"price_step_ticks": 1, "qty_step_lots": 1, "min_qty_lots": 1, "max_qty_lots": 10**6}
BTC_USD = Market(0, "BTC-USD", b"BTC-USD", "BTCUSD", "BTC", "USD", 8, 6, 2, 10_000, 1, ROW)


def key(kind, secret, networks=()):
    return ApiKey(1, 1, 1000, kind, secret, True, False, networks, None)


def test_migrations_follow_one_another():
    """Two that were made at the same time would both follow the one before."""
    files = sorted((PACKAGE / "portal" / "migrations" / "versions").glob("r*.py"))
    texts = [one.read_text() for one in files]
    found = [re.findall(r'^(?:down_)?revision = "?(\w+)"?$', text, re.MULTILINE) for text in texts]
    names = [one.name[1:5] for one in files]
    assert found == [list(pair) for pair in zip(names, ["None", *names[:-1]], strict=True)]


@given(st.integers(0, 2**62), st.integers(0, 18))
def test_amounts_and_their_texts_are_exact(units, decimals):
    assert units_of(text_of(units, decimals), decimals) == units


@pytest.mark.parametrize("text", ["", "-1", "1e5", "1.2.3", " 1", "١", "0x1", "nan", "1" * 30])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(AmountError):
        units_of(text, 8)


def test_lots_and_ticks_are_never_rounded():
    assert BTC_USD.lots_of("0.0001") == 1
    assert BTC_USD.ticks_of("50000.1") == 5_000_010
    assert BTC_USD.amount(5_000_000 * 5_000) == "25000.000000"
    for text in ("0.00001", "0.00015", "0.000000001"):
        with pytest.raises(AmountError):
            BTC_USD.lots_of(text)
    with pytest.raises(AmountError):
        BTC_USD.ticks_of("1.001")


def test_lots_of_an_inverse_contract_are_worth_whole_units_each():
    """As ``lot_value`` of derivatives/contracts.py says: a lot is rounded down, and not the sum."""
    made = Contract("BTC-I", "BTC", PERPETUAL, "BTC", 100 * 10**8 * 10, inverse=True)
    decimals = {"quote_decimals": 8, "price_decimals": 1}
    market = replace(BTC_USD, **decimals, contract=made, inverse_units=made.multiplier)
    assert (market.multiplier, market.amount_step) == ("100.000000000", "0.00000001")
    tape, worth = Tape(), 0
    for number, (ticks, lots) in enumerate([(500_000, 3), (600_001, 7), (1, 2)], 1):
        value = -lots * lot_value(made, ticks)
        worth += value
        assert market.value(ticks, lots) == text_of(value, 8)
        tape.add(Trade(number, ticks, lots, 0, False, number, inverse_units=made.multiplier))
    assert tape.candles["1d"][0].tick_lots == worth
    assert BTC_USD.value(600_001, 7) == text_of(7 * 600_001, 6)
    with pytest.raises(InvalidRequest, match="legs: BTC-USD is an inverse contract"):
        Package((market, market), (1, -1)).require_one(1)


def test_parameters_are_read_strictly():
    with pytest.raises(ApiError) as twice:
        Params([("a", "1"), ("a", "1")], None)
    assert twice.value.code == -1101
    params = Params([("n", "12"), ("bad", "1_2"), ("big", "9" * 30), ("id", "a b")], None)
    assert params.whole("n") == 12
    for name in ("bad", "big"):
        with pytest.raises(ApiError):
            params.whole(name)
    with pytest.raises(ApiError):
        params.client_id("id")
    with pytest.raises(ApiError) as missing:
        params.needed("symbol")
    assert missing.value.code == -1102
    with pytest.raises(ApiError):
        pairs_of("a=%ff%fe")


@pytest.mark.parametrize(
    "sent", ["a=1&b=2&signature=X", "signature=X&a=1&b=2", "a=1&signature=X&b=2", "a=1&b=2"]
)
def test_the_signature_is_taken_out_of_what_was_signed(sent):
    assert SIGNATURE.sub("", sent).lstrip("&") == "a=1&b=2"


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519, RSA). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
def test_signatures_hold_for_what_was_signed():
    secret = b"s" * 64
    text = "symbol=BTCUSD&timestamp=1"
    digest = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    assert is_signed(key(HMAC, secret), text, digest)
    assert not is_signed(key(HMAC, secret), text + "0", digest)
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    signature = base64.b64encode(private.sign(text.encode())).decode()
    assert is_signed(key(ED25519, public), text, signature)
    assert not is_signed(key(ED25519, public), text + "0", signature)
    assert not is_signed(key(ED25519, public), text, "not base64!")


@pytest.mark.parametrize("bits", [2048, 4096])
def test_an_rsa_key_signs_as_binance_documents_it(bits):
    """PKCS #1 v1.5 with SHA-256 in base64, over exactly what was sent; of no other key, padding or
    hash."""
    private = rsa.generate_private_key(65_537, bits)
    kind, stored = public_key_of(pem_of(private))
    assert kind == RSA
    text, owner = "symbol=BTCUSD&timestamp=1", key(kind, stored)

    def signed(padding_, hash_, by=private):
        return base64.b64encode(by.sign(text.encode(), padding_, hash_)).decode()

    right = signed(padding.PKCS1v15(), hashes.SHA256())
    assert is_signed(owner, text, right)
    assert not is_signed(owner, text + "0", right)
    assert not is_signed(owner, text, right.swapcase())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert not is_signed(owner, text, signed(pss, hashes.SHA256()))
    assert not is_signed(owner, text, signed(padding.PKCS1v15(), hashes.SHA512()))
    other = rsa.generate_private_key(65_537, 2048)
    assert not is_signed(owner, text, signed(padding.PKCS1v15(), hashes.SHA256(), other))
    for wrong in ("", "not base64!", base64.b64encode(b"short").decode()):
        assert not is_signed(owner, text, wrong)


def pem_of(private):
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(*form).decode()


@pytest.mark.parametrize(
    "private",
    [
        lambda: rsa.generate_private_key(65_537, 1024),
        lambda: rsa.generate_private_key(3, 2048),
        lambda: ec.generate_private_key(ec.SECP256R1()),
    ],
)
def test_a_public_key_that_is_weak_or_of_another_kind_is_refused(private):
    with pytest.raises(InvalidRequest, match="public_key: "):
        public_key_of(pem_of(private()))


def test_a_request_is_remembered_while_its_time_is_accepted():
    replays, owner = Replays(), key(HMAC, b"")
    replays.require_new(owner, "one", 2_000, 1_000)
    with pytest.raises(ApiError):
        replays.require_new(owner, "one", 2_000, 2_000)
    replays.require_new(owner, "one", 3_000, 2_001)


@pytest.mark.promise(
    "V11.1.4, V12.1.1 (bounds): bodies, connections, weights, orders, hashing, papers and "
    "rows of the database have limits for each owner, by address, network or key; beyond them"
    " nothing is done",
    group="portal",
)
def test_weights_and_orders_have_limits_and_a_flood_is_banned():
    now = [1_000.0]
    limits = Limits(10, 2, 100, lambda: now[0])
    assert limits.take("a", 10)["x-mbx-used-weight-1m"] == "10"
    with pytest.raises(ApiError) as over:
        limits.take("a", 1)
    assert (over.value.status, over.value.code) == (429, -1003)
    assert over.value.retry_after_s > 0
    limits.take("b", 10)
    with pytest.raises(ApiError):
        limits.take("a", BAN_AFTER)
    with pytest.raises(ApiError) as banned:
        limits.take("a", 1)
    assert banned.value.status == 418
    now[0] += BAN_S + 1
    limits.take("a", 1)
    limits.take_order(7, 1)
    limits.take_order(7, 1)
    with pytest.raises(ApiError) as orders:
        limits.take_order(7, 1)
    assert orders.value.code == -1015
    limits.take_order(8, 1)


def test_a_refused_order_names_the_limit_that_it_exceeds():
    now = [1_000.0]
    limits = Limits(orders_in_10_s=2, orders_a_day=3, clock=lambda: now[0])
    for _ in range(2):
        limits.take_order(7, 1)
    with pytest.raises(ApiError, match=r"2 orders per 10 SECOND"):
        limits.take_order(7, 1)
    now[0] += 10.0
    with pytest.raises(ApiError, match=r"3 orders per 1 DAY") as error:
        limits.take_order(7, 1)
    assert error.value.retry_after_s == 86_400 - 1_010


def test_listen_keys_are_their_owners_and_expire():
    now = [0.0]
    keys = ListenKeys(clock=lambda: now[0])
    mine = keys.create(key(HMAC, b""))
    assert keys.create(key(HMAC, b"")) == mine
    assert keys.participant(mine) == 1000
    for wrong in (
        lambda: keys.keep(1001, mine),
        lambda: keys.end(1001, mine),
        lambda: keys.keep(1000, "x"),
    ):
        with pytest.raises(ApiError):
            wrong()
    now[0] = LASTS_S - 1
    keys.keep(1000, mine)
    now[0] += LASTS_S - 1
    assert keys.participant(mine) == 1000
    now[0] += 2
    assert keys.participant(mine) == 0
    assert keys.create(key(HMAC, b"")) != mine


def ms(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("interval", "begin", "end"),
    [
        ("1m", "2026-11-26T12:34", "2026-11-26T12:35"),
        ("4h", "2026-11-26T12:00", "2026-11-26T16:00"),
        ("1w", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("1M", "2026-11-01T00:00", "2026-12-01T00:00"),
    ],
)
def test_candles_begin_where_the_calendar_says(interval, begin, end):
    assert bounds(interval, ms("2026-11-26T12:34:56")) == (ms(begin), ms(end) - 1)
    assert bounds("1M", ms("2026-12-31T23:59:59"))[1] == ms("2027-01-01T00:00:00") - 1


def test_candles_of_every_interval_add_up():
    tape, begin = Tape(), ms("2026-11-26T12:34:56")
    prices = [100, 105, 95, 101]
    for n, price in enumerate(prices):
        tape.add(Trade(n + 1, price, 10, begin + 70_000 * n, n % 2 == 0, n))
    for interval in INTERVALS:
        rows = list(tape.candles[interval])
        assert sum(row.lots for row in rows) == 40, interval
        assert sum(row.count for row in rows) == 4
        assert max(row.high for row in rows) == 105
        assert [row.begin_ms for row in rows] == sorted({row.begin_ms for row in rows})
    minutes = list(tape.candles["1m"])
    assert all(a.end_ms + 1 == b.begin_ms for a, b in pairwise(minutes))
    later = tape.candles_of("1m", None, None, 3, begin + 600_000)
    assert [row.count for row in later] == [0, 0, 0]
    assert later[-1].close == 101
    day = tape.day(begin + 300_000)
    assert (day.open, day.high, day.low, day.close, day.lots) == (100, 105, 95, 101, 40)


def test_trades_of_one_command_at_one_price_are_one_aggregate():
    tape = Tape()
    for n, (price, seq) in enumerate([(100, 7), (100, 7), (101, 7), (100, 8)]):
        tape.add(Trade(n + 1, price, 1, 0, False, seq))
    assert [(row.first, row.last, row.lots) for row in tape.aggregates] == [
        (1, 2, 2),
        (3, 3, 1),
        (4, 4, 1),
    ]


@pytest.mark.promise(
    "V6.1, V6.2, V6.4 (keys at rest): secrets in the database are sealed with authenticated "
    "encryption for one owner and purpose. The key is in a file of the portal's user alone",
    group="portal",
)
def test_sealed_secrets_open_for_their_owner_and_key_alone(tmp_path):
    one, other = SecretKey(tmp_path / "one"), SecretKey(tmp_path / "other")
    sealed = one.seal(b"secret", "api key 1")
    assert SecretKey(tmp_path / "one").open(sealed, "api key 1") == b"secret"
    for opener, owner in ((one, "api key 2"), (other, "api key 1")):
        with pytest.raises(OutcryError):
            opener.open(sealed, owner)
    (tmp_path / "one").chmod(0o640)
    with pytest.raises(OutcryError, match="other users may read it"):
        SecretKey(tmp_path / "one")


@pytest.mark.parametrize("seed", range(3))
def test_a_list_is_known_as_long_as_one_of_its_orders_is(monkeypatch, seed):
    """An open order names its list: that is found however many others were closed since."""
    monkeypatch.setattr(portal_orders, "CLOSED_KEPT", 20)
    chance, own, every = random.Random(seed), ParticipantOrders(), []
    for number in range(0, 600, 3):
        of = OrderList(number, 1000, 0, number, f"list {number}", 1, 3, 0)
        own.lists[number], every = of, [*every, of]
        for place in range(3):
            order = Order(number + place, 1000, 0, number + place, "", 1, 1, 1, 1, 1, 0, 0, 0)
            order.of = of
            of.orders.append(order)
            own.add(order)
        while own.open and chance.random() < 0.7:
            own.close(chance.choice(list(own.open.values())))
        known = [of for of in every if any(one.number in own.by_number for one in of.orders)]
        assert list(own.lists.values()) == known
    assert len(own.lists) < len(every)


@pytest.mark.promise(
    "V2.8 (authenticators): codes of RFC 6238, for their time, are used once, and are needed "
    "with the password for a login and for what changes the account. Seeds are sealed with "
    "the portal's key",
    group="portal",
)
def test_one_time_codes_are_those_of_rfc_6238():
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert totp_step(secret, "287082", 59) == 1
    assert totp_step(secret, "287082", 59 + 30) == 1
    assert totp_step(secret, "287082", 59 + 90) == 0


class RefusingBroker:
    """A session that reports a rejection before the order is in the mirror."""

    refused = None

    def __init__(self, shown, refusal):
        self.shown, self.refusal = shown, refusal

    async def enter(self, participant, order):
        loop = asyncio.get_running_loop()
        loop.call_soon(self.refused, participant, order.client_id, self.refusal)
        loop.call_later(0.01, self.shown, participant, order.client_id)

    async def cancel(self, participant, symbol, side, client_id, request_id):
        asyncio.get_running_loop().call_soon(self.refused, participant, request_id, self.refusal)


@pytest.mark.parametrize(
    ("refusal", "state", "code"),
    [
        (Refusal("balance: limit 1, asked 2"), REJECTED, Code.BALANCE),
        (Refusal("known", is_duplicate=True), "NEW", Code.DUPLICATE),
    ],
    ids=["refused", "duplicate"],
)
async def test_a_rejection_is_answered_once_the_order_is_shown_with_its_reason(
    refusal, state, code
):
    own = ParticipantOrders()
    mirror = SimpleNamespace(
        listeners=[], require_ready=int, orders=SimpleNamespace(participant=lambda number: own)
    )
    mirror.markets = SimpleNamespace(by_index={0: SimpleNamespace(symbol="BTC-USD", index=0)})

    def shown(participant, name):
        order = Order(1, participant, 0, 1, name, 1, 1, 4, 100, 1, 0, 0, 0, state=state)
        order.reason, order.contra = RISK_REASON, 1 << RiskBit.BALANCE
        own.by_client_id[name] = order
        report = SimpleNamespace(order=order)
        for listener in mirror.listeners:
            listener(SimpleNamespace(changes=[report]))

    trading = OrderService(mirror, RefusingBroker(shown, refusal), lambda: None)
    order = NewOrder("one", "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 100)
    with pytest.raises(Reject) as refused:
        await trading.enter(1000, order)
    assert refused.value.code is code
    assert "one" in own.by_client_id, "it may be cancelled next"
    assert not trading.waits


SOON_S = 0.01


async def test_each_order_without_an_answer_is_given_up_in_its_own_time(monkeypatch):
    """Also after others that were answered, and while later ones still wait."""
    own = ParticipantOrders()
    mirror = SimpleNamespace(
        listeners=[], require_ready=int, orders=SimpleNamespace(participant=lambda number: own)
    )
    sent = []

    async def enter(participant, order):
        sent.append(order.client_id)

    trading = OrderService(mirror, SimpleNamespace(enter=enter), lambda: None)

    async def given_up(name):
        order = NewOrder(name, "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 100)
        begun_s = time.monotonic()
        with pytest.raises(Reject) as refused:
            await trading.enter(1000, order)
        return refused.value.code, time.monotonic() - begun_s >= SOON_S

    tasks = []
    for name in ("one", "answered", "three", "four"):
        monkeypatch.setattr(service, "ANSWER_S", 900.0 if name == "answered" else SOON_S)
        tasks.append(asyncio.create_task(given_up(name)))
        while name not in sent and not tasks[-1].done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if name == "answered":
            trading.waits.resolve(1000, name)
    rows = await asyncio.gather(*tasks)
    assert [code for code, _ in rows].count(Code.UNKNOWN_OUTCOME) == 3
    assert rows[1][0] == Code.REFUSED, "the mirror has no order of the name"
    assert all(is_in_time for code, is_in_time in rows if code == Code.UNKNOWN_OUTCOME)
    assert not trading.waits


async def test_a_cancel_that_the_venue_refuses_is_not_an_unknown_order():
    mirror = SimpleNamespace(listeners=[], require_ready=int)
    order = Order(1, 1000, 0, 1, "one", 1, 1, 4, 100, 1, 0, 0, 0, state="NEW")

    broker = RefusingBroker(None, Refusal("the market is closed"))
    trading = OrderService(mirror, broker, lambda: None)
    with pytest.raises(Reject) as refused:
        await trading.cancel(1000, SimpleNamespace(symbol="BTC-USD"), order, "c")
    assert (refused.value.code, refused.value.detail) == (
        Code.NOT_CANCELLED,
        "the market is closed",
    )
    assert not trading.waits


async def test_a_cancel_with_the_name_of_its_order_is_not_refused_while_the_order_trades(
    monkeypatch,
):
    """What the order does in between ends the wait by that name, and refuses nothing."""
    monkeypatch.setattr(service, "ANSWER_S", 0.01)
    mirror = SimpleNamespace(listeners=[], require_ready=int)
    order = Order(1, 1000, 0, 1, "one", 1, 1, 4, 100, 1, 0, 0, 0, state="PARTIALLY_FILLED")

    trading = OrderService(mirror, RefusingBroker(None, None), lambda: None)
    with pytest.raises(Reject) as unknown:
        await trading.cancel(1000, SimpleNamespace(symbol="BTC-USD"), order, "one")
    assert unknown.value.code == Code.UNKNOWN_OUTCOME
    assert not trading.waits


def test_a_mirror_knows_at_once_that_the_venue_s_process_is_gone(monkeypatch):
    mirror = SimpleNamespace(_pipeline=None)
    lost = VenueWatch.has_lost_venue.fget
    assert lost(mirror)
    for pid, is_lost in ((os.getpid(), False), (1 << 22, True)):
        mirror._pipeline = SimpleNamespace(owner=SimpleNamespace(pid=pid), is_ending=False)
        assert lost(mirror) == is_lost
    mirror._pipeline = SimpleNamespace(owner=SimpleNamespace(pid=os.getpid()), is_ending=True)
    assert lost(mirror), "the process goes on, and another run of it begins"

    def foreign(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", foreign)
    mirror._pipeline.is_ending = False
    assert lost(mirror), "its number is another user's process now"


def test_a_contract_s_price_may_have_more_decimals_than_its_money():
    row = {"price_step_ticks": 1, "min_price_ticks": 1, "max_price_ticks": 10_000}
    market = Market(0, "GOLD", b"GOLD", "GOLD", "GOLD", "USD", 0, 2, 4, 1, 10, row)

    def ticks(price):
        return price_of(market, "price", price)

    assert ticks("0.5012") == 5_012
    with pytest.raises(Reject) as refused:
        ticks("0.50125")
    assert (refused.value.code, refused.value.field) == (Code.TOO_PRECISE, "price")


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True),
    st.integers(1, 60),
    st.booleans(),
    st.sampled_from(["1m", "1h", "1w", "1M"]),
)
def test_gaps_between_candles_are_filled_up_to_a_number(places, most, are_last, interval):
    """As cutting the whole row would: each gap has the price before it, and no volume."""
    width_ms = INTERVALS[interval] or 28 * 24 * 3_600_000
    begins = sorted({bounds(interval, place * width_ms)[0] for place in places})
    made = [
        Candle(*bounds(interval, begin), *(4 * [n + 1]), count=n + 1)
        for n, begin in enumerate(begins)
    ]
    whole = made[:1]
    for candle in made[1:]:
        while INTERVALS[interval] and whole[-1].end_ms + 1 < candle.begin_ms:
            gap = bounds(interval, whole[-1].end_ms + 1)
            whole.append(Candle(*gap, *(4 * [whole[-1].close])))
        whole.append(candle)
    wanted = whole[-most:] if are_last else whole[:most]
    assert with_gaps(made, interval, most, are_last) == wanted


def test_a_portal_sleeps_until_the_stages_have_work():
    words = np.zeros(control.CONTROL_BYTES // 8, np.int64)
    block = control.ControlSegment(words.ctypes.data)
    venue = SimpleNamespace(control=SimpleNamespace(block=block))
    mirror = object.__new__(VenueWatch)
    mirror._pipeline, mirror._woken = venue, (None, 0)
    assert mirror.wait_for_work(0.001), "of a venue that it has just found it knows nothing"
    assert not mirror.wait_for_work(0.001)
    loop.wake_sleepers(block.address_of("woken"))
    assert mirror.wait_for_work(60), "what came since the last call ends the sleep at once"
    assert not mirror.wait_for_work(0.001)


@pytest.mark.parametrize("failure", [subprocess.TimeoutExpired("pg_ctl", 10), AssertionError()])
def test_a_database_that_recovers_for_long_is_waited_for(tmp_path, monkeypatch, failure):
    """The package waits for ten seconds, and not for a server that was recovering before; it gives
    the same server when it is asked again."""
    (tmp_path / "postmaster.pid").touch()
    done, looks = [], iter([False, True])

    class Server:
        global_process_id_list = SimpleNamespace(get_and_add=lambda pid: done.append("listed"))

        def ensure_postgres_running(self):
            done.append("running")

    def get_server(folder, cleanup_mode):
        done.append("asked")
        if done == ["asked"]:
            raise failure
        return Server()

    monkeypatch.setattr(database, "_is_ready", lambda folder: next(looks))
    monkeypatch.setattr(database, "RETRY_S", 0.0)
    found = database._started(SimpleNamespace(get_server=get_server), tmp_path)
    assert isinstance(found, Server)
    assert done == ["asked", "asked", "running", "listed"]
    done.clear()
    monkeypatch.setattr(database, "RECOVERY_S", -1.0)
    monkeypatch.setattr(database, "_is_ready", lambda folder: False)
    with pytest.raises(TimeoutError):
        database._started(SimpleNamespace(get_server=get_server), tmp_path)
