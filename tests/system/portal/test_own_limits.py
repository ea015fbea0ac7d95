"""Limits that owners set themselves: a lower one is in force with its answer, a wider one after
both factors and the wait, at every door, over restarts, and whatever the operator sets."""

import asyncio
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.portal.accounts import own_limits
from openoutcry.portal.accounts.accounts import Caller
from openoutcry.portal.accounts.errors import AccountError, TooMany
from openoutcry.portal.accounts.own_limits import KILLED, OwnLimits
from openoutcry.portal.accounts.sub_accounts import Account
from openoutcry.portal.money import transfers
from openoutcry.portal.money.transfers import Transfers, Wanted
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import CHOICES, GENEROUS, PortalVenue
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
QUANTITY, PLACE = "max_order_quantity", {"symbol": "BTC-USD"}
WAIT_S = 3


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    made = PortalVenue(folder, 24, "--settings=page.toml")
    text = (CHOICES + GENEROUS).replace("wait_s = 0", f"wait_s = {WAIT_S}")
    (folder / "page.toml").write_text(text)
    with made:
        yield made


class Owner:
    """Somebody with money, a session and a key that trades."""

    def __init__(self, venue):
        self.venue = venue
        self.person = venue.person(USD=90_000 * USD)
        self.mine = PortalClient(venue.url)
        self.mine.log_in(self.person.mail, PASSWORD)
        self.bot = PortalClient(venue.url, api_key=self.person.api_key, secret=self.person.secret)

    def rest(self, quantity):
        """The code of the Binance-shaped API's answer; 0: the order is open."""
        with self.venue.client(self.person) as client:
            answer = client.order("BUY", quantity, "100.00").json()
        return answer.get("code", 0)

    def native(self, quantity):
        """The code of the native API's answer, ``""``: the order is open."""
        try:
            self.mine.place("BTC-USD", "buy", "limit", quantity=quantity, price="100.00")
        except PortalError as error:
            return error.code
        return ""

    def refuses(self, quantity):
        """Both doors do, or neither."""
        both = {bool(self.rest(quantity)), bool(self.native(quantity))}
        assert len(both) == 1
        return both.pop()

    def raised(self, row, other_than=""):
        """Confirm what a row waits for, with the code that was mailed."""
        code = self.venue.code(self.person.mail, other_than or self.person.registration)
        return self.mine.confirm_own_limit(row.id, code), code


@pytest.fixture
def owner(venue):
    made = Owner(venue)
    yield made
    made.mine.close()
    made.bot.close()


@pytest.mark.promise(
    "A limit that a user sets on the own account is in force with its answer, at every door. A "
    "wider one takes a mailed code, the authenticator and a wait. Neither lifts the operator's",
    group="portal",
)
def test_a_lower_limit_is_in_force_with_its_answer_and_a_wider_one_waits(owner):
    mine = owner.mine
    assert not owner.refuses("0.05")
    row = mine.set_own_limit(QUANTITY, "0.02", **PLACE)
    assert (row.value, row.state) == ("0.02000000", "in force")
    assert owner.refuses("0.0201")
    assert not owner.refuses("0.02")
    row = mine.set_own_limit(QUANTITY, "0.04", **PLACE)
    assert (row.value, row.wanted, row.state) == ("0.02000000", "0.04000000", "unconfirmed")
    with pytest.raises(PortalError) as wrong:
        mine.confirm_own_limit(row.id, "00000000")
    assert wrong.value.code == "wrong_credentials"
    row, _ = owner.raised(row)
    assert row.state == "waiting"
    assert row.usable_at is not None
    assert owner.refuses("0.03")
    wait_until(lambda: mine.own_limits()[0].value == "0.04000000", "the wait is over")
    wait_until(lambda: mine.own_limits()[0].state == "in force", "the core has it")
    assert not owner.refuses("0.03")
    assert owner.refuses("0.05")


def test_a_limit_outlives_the_venue_also_where_orders_come_over_tcp(tmp_path_factory):
    """The portal is as on another host, and the venue is stopped and started."""
    with PortalVenue(tmp_path_factory.mktemp("v"), 2, is_far=True) as venue:
        owner = Owner(venue)
        owner.mine.set_own_limit(QUANTITY, "0.02", **PLACE)
        assert owner.refuses("0.03")
        assert not owner.refuses("0.02")
        venue.venue.stop()
        venue.venue.start()
        venue.venue.wait_for_phase("CONTINUOUS")
        wait_until(lambda: not owner.rest("0.01"), "the portal has found the venue again")
        assert owner.refuses("0.03")
        owner.mine.close()
        owner.bot.close()


def test_the_operator_and_the_owner_never_lift_the_other_s(owner):
    def operators(value):
        request = {"do": "set", "limit": "max_qty_lots", "instrument": "BTC-USD", "value": value}
        ask(owner.venue.venue.journal, request | {"participant": owner.person.participant})

    owner.mine.set_own_limit(QUANTITY, "0.02", **PLACE)
    operators(1_000)  # 0.1 BTC: a lot is 0.0001
    assert owner.refuses("0.03")
    operators(100)
    assert owner.refuses("0.02")
    assert not owner.refuses("0.01")
    operators(1_000)
    assert not owner.refuses("0.02")
    assert owner.refuses("0.03")


def test_a_key_lowers_and_kills_and_never_raises(owner):
    assert owner.bot.set_own_limit("open_orders", "1").state == "in force"
    assert not owner.rest("0.01")
    assert owner.rest("0.01")
    with pytest.raises(PortalError) as refused:
        owner.bot.set_own_limit("open_orders", "2")
    assert refused.value.code == "lowers_only"
    row = owner.mine.set_own_limit("open_orders", "2")
    with pytest.raises(PortalError) as refused:
        owner.bot.confirm_own_limit(row.id, "00000000")
    assert refused.value.code == "lowers_only"
    assert owner.bot.cancel_own_limit(row.id).state == "in force"
    reader = owner.mine.new_key("reader", PASSWORD, permissions=["read"])
    with PortalClient(owner.venue.url, api_key=reader.api_key, secret=reader.secret) as reads:
        assert reads.own_limits()[0].value == "1"
        for act in (reads.kill, lambda: reads.set_own_limit("open_orders", "0")):
            with pytest.raises(PortalError) as refused:
                act()
            assert refused.value.code == "forbidden"


def test_the_kill_switch_ends_orders_and_outlives_both_processes(owner):
    venue, mine = owner.venue, owner.mine
    assert not owner.refuses("0.01")
    assert owner.bot.kill().value == "true"
    with venue.client(owner.person) as client:
        assert client.get("/api/v3/openOrders", symbol="BTCUSD").json() == []
    assert owner.refuses("0.01")
    venue.stop_portal(signal.SIGKILL)
    venue.start_portal()
    assert owner.refuses("0.01")
    row = mine.set_own_limit("killed", "false")
    assert (row.value, row.wanted) == ("true", "false")
    row, _ = owner.raised(row)
    mine.cancel_own_limit(row.id)
    assert owner.refuses("0.01")
    row, _ = owner.raised(mine.set_own_limit("killed", "false"), _)
    wait_until(lambda: mine.own_limits() == [], "the wait is over, and nothing is set")
    assert not owner.refuses("0.01")


def test_a_sub_account_s_limits_are_its_owner_s(owner):
    made = owner.mine.new_sub_account("grid")
    wait_until(lambda: owner.mine.list_sub_accounts()[0].is_open, "the sub-account")
    row = owner.mine.set_own_limit("blocked", "true", sub_account=made.id, **PLACE)
    assert (row.account, row.value) == (made.id, "true")
    assert owner.mine.own_limits() == []
    key = owner.mine.new_sub_account_key(made.id, "bot", PASSWORD, permissions=["read", "trade"])
    owner.mine.transfer(0, made.id, "USD", "500")
    with PortalClient(owner.venue.url, api_key=key.api_key, secret=key.secret) as bot:
        with pytest.raises(PortalError):
            bot.place("BTC-USD", "buy", "limit", quantity="0.01", price="100.00")
        assert [one.limit for one in bot.own_limits()] == ["blocked"]
        with pytest.raises(PortalError) as refused:
            bot.set_own_limit("open_orders", "1", sub_account=owner.mine.me().id)
        assert refused.value.code == "not_found"
    assert not owner.refuses("0.01")


def test_orders_race_with_a_lower_limit(owner):
    """Every order after the answer is within the limit, whatever was under way."""
    with ThreadPoolExecutor(4) as pool:
        orders = [pool.submit(owner.rest, "0.03") for _ in range(24)]
        lowered = pool.submit(owner.mine.set_own_limit, QUANTITY, "0.02", **PLACE)
        assert lowered.result().state == "in force"
        assert owner.rest("0.03") != 0
        outcomes = [one.result() for one in orders]
    assert owner.refuses("0.03")
    with owner.venue.client(owner.person) as client:
        rows = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
    assert len(rows) == outcomes.count(0)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (("height", "1"), "limit: choose one of max_order_quantity"),
        ((QUANTITY, "1"), "symbol: name an instrument"),
        (("open_orders", "-1"), "value:"),
        (("open_orders", "1.5"), "value:"),
        (("orders_per_second", "0"), "value: must be 1 or more"),
        (("killed", "yes"), "value: must be true or false"),
        (("buy_exposure", "1"), "limit: buy_exposure needs instruments with one quote asset"),
        (("loss", "1"), "limit: a loss is of contracts, and this venue has none"),
    ],
)
def test_what_cannot_be_is_said(owner, terms, says):
    with pytest.raises(PortalError, match=says):
        owner.mine.set_own_limit(*terms)
    assert owner.mine.own_limits() == []


# A model, without a venue

NAMES = {"open_orders": [1, 2, 5, 9, None], "killed": [1, None]}


class Core:
    """What the venue has, and whether its desk answers; an answer may be lost after its effect."""

    def __init__(self, rng):
        self.rng, self.has, self.done, self.fails = rng, {}, set(), 0.0

    def __call__(self, request):
        lost = self.rng.random()
        if lost < self.fails / 2:
            raise DeskError("gone", UNAVAILABLE)
        if request["reference"] not in self.done:
            self.done.add(request["reference"])
            value = request["value"]
            self.has[request["limit"]] = None if value in ("none", False) else int(value)
        if lost < self.fails:
            raise DeskError("no answer", UNAVAILABLE)
        return {}


@pytest.mark.parametrize("seed", range(4))
async def test_any_sequence_widens_only_after_both_factors_and_the_wait(people, seed):
    """At every step the core has what a plain model allows: the strictest since the last wider
    limit that was confirmed and has waited."""
    rng = random.Random(seed)
    client = await people.person("anna@example.com")
    await client.aclose()
    row = await people.database.row("select id from users")
    await people.database.rows("update users set participant = 7, is_open = true returning id")
    user, core, caller = row["id"], Core(rng), Caller("192.0.2.7")
    markets = SimpleNamespace(every=[], assets={})
    limits = OwnLimits(SimpleNamespace(journal=None), people.accounts, markets, core)
    value = dict.fromkeys(NAMES)
    waits = dict.fromkeys(NAMES)
    """A wider value, when it is in force (None: not confirmed)."""
    refusals = set()
    for _ in range(120):
        core.fails = rng.choice([0.0, 0.0, 0.6])
        name = rng.choice(list(NAMES))
        act = rng.random()
        if act < 0.5:
            wanted = rng.choice(NAMES[name])
            text = limits.text(name, "", wanted)
            raiser = user if rng.random() < 0.8 else 0
            try:
                shown = await limits.put(user, (name, "", text), caller, raiser)
                assert not own_limits.is_stricter(wanted, value[name]) or shown["is_set"]
            except AccountError as error:
                refusals.add((error.code, bool(raiser)))
            found = await stored(people, user, name)
            if own_limits.is_stricter(wanted, value[name]) and found["value"] == wanted:
                value[name], waits[name] = wanted, None
            elif found["state"] == "unconfirmed" and found["wanted"] == wanted:
                waits[name] = wanted, None
        elif act < 0.7 and waits[name] is not None and waits[name][1] is None:
            await people.accounts.drain()
            row = await stored(people, user, name)
            code = people.mailbox.code("anna@example.com")
            try:
                await limits.confirm(user, row["id"], code, "", caller)
                waits[name] = waits[name][0], people.clock.at + people.accounts.wait
            except AccountError:
                assert (await stored(people, user, name))["state"] == "unconfirmed"
        elif act < 0.75:
            row = await stored(people, user, name)
            try:
                await limits.cancel(user, row["id"] if row else 0, caller)
                waits[name] = None
            except AccountError:
                assert waits[name] is None
        elif act < 0.9:
            people.clock.advance(hours=rng.choice([1, 11, 25]))
            await limits.go_on()
            for one, waiting in waits.items():
                if waiting is None:
                    continue
                since = (await stored(people, user, one))["state"] == ""
                if waiting[1] is not None and waiting[1] <= people.clock.at and since:
                    value[one], waits[one] = waiting[0], None
                elif waiting[1] is None:
                    waits[one] = None if since else waiting  # its code has expired
        core_name = {"open_orders": "open_orders", "killed": "killed"}[name]
        row = await stored(people, user, name)
        if row is not None and row["is_set"]:
            assert row["value"] == core.has.get(core_name) == value[name]
    of_core = {("unavailable", True), ("unavailable", False)}
    assert refusals - of_core == {("lowers_only", False)}
    core.fails = 0.0
    await limits.go_on()
    assert {one: core.has.get(one) for one in NAMES} == value


async def stored(people, user, name):
    query = "select * from own_limits where user_id = %(user)s and name = %(name)s"
    return await people.database.row(query, user=user, name=name)


async def test_the_wait_is_a_day_unless_the_operator_says_otherwise(people):
    assert people.accounts.wait == timedelta(hours=24)


async def test_requests_at_once_leave_the_same_here_and_in_the_core(people):
    """Ten set the same limit at the same time, some while the desk is slow."""
    client = await people.person("anna@example.com")
    await client.aclose()
    row = await people.database.row("select id from users")
    await people.database.rows("update users set participant = 7, is_open = true returning id")
    core = Core(random.Random(1))
    markets = SimpleNamespace(every=[], assets={})
    journal = SimpleNamespace(journal=None)
    both = [OwnLimits(journal, people.accounts, markets, core) for _ in range(2)]

    async def put(number):
        wanted = "open_orders", "", str(number)
        await both[number % 2].put(row["id"], wanted, Caller("192.0.2.7"))

    work = [put(number) for number in range(20, 8, -1)]
    refused = [one for one in await asyncio.gather(*work, return_exceptions=True) if one]
    assert {one.code for one in refused} <= {"lowers_only", "unavailable"}
    await both[0].go_on()
    found = await stored(people, row["id"], "open_orders")
    assert found["value"] == core.has["open_orders"] == 9


@pytest.mark.promise(
    "What a user asks for again and again (transfers, lower limits) is bounded a day, so the core "
    "forgets no reference of an operator's request for it",
    group="portal",
)
async def test_no_user_makes_the_core_forget_what_operators_have_asked(people, monkeypatch):
    monkeypatch.setattr(own_limits, "MOST_A_DAY", 5)
    monkeypatch.setattr(transfers, "MOST_A_DAY", 3)
    asked = []

    for name in ("anna", "bert"):
        client = await people.person(f"{name}@example.com")
        await client.aclose()
    query = "update users set participant = 6 + id, is_open = true returning id"
    user, other = sorted(row["id"] for row in await people.database.rows(query))
    caller = Caller("192.0.2.7")
    markets = SimpleNamespace(every=[], assets={"USD": 2})
    journal = SimpleNamespace(journal=None)
    limits = OwnLimits(journal, people.accounts, markets, lambda request: asked.append(1) or {})
    for value in range(5):
        await limits.put(user, ("open_orders", "", str(99 - value)), caller)
    for value in ("94", "93"):
        with pytest.raises(TooMany):
            await limits.put(user, ("open_orders", "", value), caller)
    assert (await limits.put(user, (KILLED, "", "true"), caller))["is_set"]
    assert len(asked) == 6
    mirror = SimpleNamespace(markets=markets, balances=lambda who: {"USD": (100, 0)})
    moves = Transfers(people.accounts, mirror, lambda request: asked.append(1) or {})
    ends = Account(user, 7, "", ""), Account(other, 8, "", "")
    for number in range(3):
        wanted = Wanted(f"{number}", *ends, "USD", 1)
        assert (await moves._recorded(user, wanted, caller))["state"] == "begun"
    with pytest.raises(TooMany):
        await moves._recorded(user, Wanted("4", *ends, "USD", 1), caller)
    again = await moves._recorded(user, Wanted("1", *ends, "USD", 1), caller)
    assert again["client_id"] == "1", "one that is known is no new one"
