"""No trade without both consents, none twice, and no maker sees another's quote."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from openoutcry.routing import rfq
from openoutcry.routing.instruments import BUY, SELL
from openoutcry.routing.rfq import Desk, Refusal

GOLD = [["GOLD"]]
MAKERS = ["M1", "M2", "M3"]


@pytest.fixture
def desk():
    return Desk(MAKERS, last_look_ns=10)


def ask(desk, side=BUY, until_ns=100, **more):
    terms = {"legs": GOLD, "side": side, "quantity": 5, "until_ns": until_ns}
    return desk.do("request", "C", desk.now_ns, **terms | more)


def test_the_best_of_three_makers_trades(desk):
    number = ask(desk)
    quotes = [
        desk.do("quote", maker, at_ns, request=number, ask=price)
        for at_ns, (maker, price) in enumerate([("M1", 101), ("M2", 100), ("M3", 100)], start=1)
    ]
    assert [one.maker for one in desk.ranked("C", number, BUY)] == ["M2", "M3", "M1"]
    desk.do("accept", "C", 9, request=number, quote=quotes[1], side=BUY)
    (trade,) = desk.trades
    assert (trade.client, trade.maker, trade.price, trade.quantity) == ("C", "M2", 100, 5)
    with pytest.raises(Refusal, match="is traded"):
        desk.do("accept", "C", 9, request=number, quote=quotes[0], side=BUY)


def test_a_maker_sees_its_own_quotes_alone(desk):
    number = ask(desk, makers=["M1", "M2"])
    desk.do("quote", "M1", 1, request=number, ask=101)
    ((request, quotes),) = desk.seen_by("M2")
    assert (request.number, request.makers, request.quotes, quotes) == (number, ("M2",), {}, [])
    assert desk.seen_by("M3") == []
    with pytest.raises(Refusal, match="no request"):
        desk.do("quote", "M3", 1, request=number, ask=99)


def test_last_look_is_asked_answered_and_counted(desk):
    number = ask(desk)
    quote = desk.do("quote", "M1", 1, request=number, ask=101, has_last_look=True)
    desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    assert desk.trades == []
    with pytest.raises(Refusal, match="waits for an answer"):
        desk.do("withdraw", "M1", 3, request=number, quote=quote)
    desk.do("answer", "M1", 5, request=number, accept=True)
    assert len(desk.trades) == 1
    look = desk.looks["M1"]
    assert (look.asked, look.accepted, look.held_ns) == (1, 1, 3)


@pytest.mark.parametrize("terms", [{"has_last_look": True}, {"is_firm": False}])
def test_a_maker_that_does_not_answer_in_time_has_refused(desk, terms):
    number = ask(desk)
    quote = desk.do("quote", "M1", 1, request=number, ask=101, **terms)
    desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    with pytest.raises(Refusal, match="is not waiting"):
        desk.do("answer", "M1", 13, request=number, accept=True)
    assert (desk.trades, desk.looks["M1"].timed_out) == ([], 1)
    assert desk.ranked("C", number, BUY) == [], "that quote is gone, the request is open"


def test_a_counter_binds_the_client_until_the_answer(desk):
    number = ask(desk, side=0)
    quote = desk.do("quote", "M1", 1, request=number, bid=99, ask=101)
    desk.do("counter", "C", 2, request=number, quote=quote, side=SELL, price=100)
    with pytest.raises(Refusal, match="is pending"):
        desk.do("cancel", "C", 3, request=number)
    desk.do("answer", "M1", 4, request=number, accept=True)
    assert (desk.trades[0].side, desk.trades[0].price) == (SELL, 100)


def test_a_late_answer_is_none_to_other_terms(desk):
    """The maker consented to 101; its time was over, and the client has offered 90 since."""
    number = ask(desk)
    quote = desk.do("quote", "M1", 1, request=number, ask=101, has_last_look=True)
    again = desk.do("quote", "M1", 1, request=number, ask=102)
    with pytest.raises(Refusal, match="not live"):
        desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    desk.do("counter", "C", 2, request=number, quote=again, side=BUY, price=101)
    desk.do("time", "", 13)
    last = desk.do("quote", "M1", 14, request=number, ask=103)
    desk.do("counter", "C", 15, request=number, quote=last, side=BUY, price=90)
    for accept in (True, False):
        with pytest.raises(Refusal, match="question 1 of request 1 is over"):
            desk.do("answer", "M1", 16, request=number, accept=accept, question=1)
    assert desk.requests[number].pending[2] == 90
    desk.do("answer", "M1", 17, request=number, accept=True, question=2)
    assert desk.trades[0].price == 90


def test_requests_that_are_over_are_forgotten_at_last_but_not_before_the_venue_s_word(
    desk, monkeypatch
):
    """Each client's own: what one asks for does not remove what another has."""
    monkeypatch.setattr(rfq, "MAX_OVER", 3)
    other = desk.do("request", "D", 0, legs=GOLD, side=BUY, quantity=5, until_ns=100)
    desk.do("cancel", "D", 0, request=other)
    traded = ask(desk)
    quote = desk.do("quote", "M1", 1, request=traded, ask=101)
    desk.do("accept", "C", 1, request=traded, quote=quote, side=BUY)
    numbers = [ask(desk) for _ in range(6)]
    for number in numbers:
        desk.do("cancel", "C", 1, request=number)
    known = [traded, *numbers[-2:]]
    assert [one.number for one in desk.requests_of("C")] == known[::-1]
    assert [one.number for one in desk.requests_of("M2")] == [other, *known][::-1]
    assert [one.number for one in desk.unsettled()] == [traded]
    desk.do("settled", "", 2, request=traded, is_booked=True, seq=7)
    desk.do("cancel", "C", 2, request=ask(desk))
    assert traded not in desk.requests
    with pytest.raises(Refusal, match="no request"):
        desk.do("accept", "C", 2, request=traded, quote=quote, side=BUY)
    assert (set(desk.requests), desk.trades) == ({other, *numbers[-2:], numbers[-1] + 1}, [])


def test_legs_trade_together_with_their_ratios(desk):
    number = ask(desk, legs=[["NEAR", 1], ["FAR", -2]])
    for prices in ([], [5], [1, 2, 3]):
        with pytest.raises(Refusal, match="2 legs, each with its price"):
            desk.do("quote", "M1", 1, request=number, ask=-3, asks=prices)
    quote = desk.do("quote", "M1", 1, request=number, ask=-3, asks=[5, 4])
    with pytest.raises(Refusal, match="several legs"):
        desk.do("counter", "C", 2, request=number, quote=quote, side=BUY, price=-4)
    desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    assert desk.trades[0].legs == (("NEAR", BUY, 5), ("FAR", SELL, 10))
    assert (desk.trades[0].price, desk.trades[0].prices) == (-3, (5, 4))
    single = ask(desk)
    with pytest.raises(Refusal, match="1 legs"):
        desk.do("quote", "M1", 3, request=single, ask=5, asks=[5])


@pytest.mark.parametrize("side", [BUY, SELL, 0])
@pytest.mark.parametrize("has_last_look", [True, False])
def test_prices_of_legs_that_do_not_come_to_the_quoted_price_do_not_trade(
    desk, side, has_last_look
):
    """For each side alone and both: the desk compares what is traded with what was quoted."""
    number = ask(desk, side=side, legs=[["NEAR", 1], ["FAR", -2]])
    right = {"bid": -4, "bids": [4, 4], "ask": -3, "asks": [5, 4], "has_last_look": has_last_look}
    for name in ("bid", "ask"):
        for wrong in ([5, 5], [0, 0], [-2, 0], [4, 5]):
            terms = right | {f"{name}s": wrong}
            with pytest.raises(Refusal, match=f"come to {wrong[0] - 2 * wrong[1]}, not to"):
                desk.do("quote", "M1", 1, request=number, **terms)
    quote = desk.do("quote", "M1", 1, request=number, **right)
    one = desk.requests[number]
    one.quotes[quote] = replace(one.quotes[quote], asks=(6, 4), bids=(6, 4))
    with pytest.raises(Refusal, match="come to -2, not to"):
        desk.do("accept", "C", 2, request=number, quote=quote, side=side or BUY)
    assert desk.trades == []
    assert desk.requests[number].state == "open"


def test_the_price_of_a_package_counts_its_legs_in_their_units():
    """A tick of one leg may be worth more than a tick of the other."""
    units = {"NEAR": 10, "FAR": 1}
    value = lambda legs, prices: sum(  # noqa: E731
        units[leg.symbol] * leg.ratio * price for leg, price in zip(legs, prices, strict=True)
    )
    desk = Desk(MAKERS, value=value)
    number = ask(desk, legs=[["NEAR", 1], ["FAR", -2]])
    with pytest.raises(Refusal, match="come to 42, not to -3"):
        desk.do("quote", "M1", 1, request=number, ask=-3, asks=[5, 4])
    desk.do("quote", "M1", 1, request=number, ask=42, asks=[5, 4])


@pytest.mark.parametrize(
    ("what", "terms", "text"),
    [
        ("quote", {"bid": 99}, "each requested side"),
        ("quote", {"ask": 99, "bid": 100}, "above ask"),
        ("quote", {"ask": 99, "quantity": 6}, "at most the requested quantity"),
        ("quote", {"ask": 99, "until_ns": 1}, "later end"),
        ("frown", {}, "no command"),
    ],
)
def test_what_is_not_possible_is_refused(desk, what, terms, text):
    number = ask(desk)
    with pytest.raises(Refusal, match=text):
        desk.do(what, "M1", 1, request=number, **terms)


def test_a_request_ends_by_time_by_its_client_and_not_by_others(desk):
    first, second = ask(desk), ask(desk)
    with pytest.raises(Refusal, match="no request"):
        desk.do("cancel", "D", 1, request=first)
    desk.do("cancel", "C", 1, request=first)
    desk.do("time", "", 101)
    assert [desk.requests[n].state for n in (first, second)] == ["cancelled", "expired"]
    with pytest.raises(Refusal, match="time went back"):
        desk.do("time", "", 1)


def random_command(rng, desk):
    """Often possible, sometimes not."""
    open_ones = list(desk.open_requests())[-8:]
    kind = rng.choice(["request", "quote", "quote", "quote", "accept", "accept", "counter",
                       "answer", "answer", "withdraw", "pass", "cancel", "time"])  # fmt: skip
    if kind == "request" or not open_ones:
        makers = rng.sample(MAKERS, rng.randint(0, 3))
        terms = {"legs": GOLD, "side": rng.choice([BUY, SELL, 0]), "quantity": rng.randint(1, 9)}
        return (
            "request",
            "C",
            terms | {"until_ns": desk.now_ns + rng.randint(1, 60)} | {"makers": makers},
        )
    one = rng.choice(open_ones)
    quotes = list(one.quotes) or [0]
    by = rng.choice(["C", *MAKERS])
    terms = {"request": one.number}
    if kind == "quote":
        terms |= {"bid": 99 - rng.randint(0, 3), "ask": 101 + rng.randint(0, 3)}
        terms |= {"is_firm": rng.random() < 0.7, "has_last_look": rng.random() < 0.3}
        by = rng.choice(MAKERS)
    elif kind in ("accept", "counter"):
        terms |= {"quote": rng.choice(quotes), "side": rng.choice([BUY, SELL])}
        terms |= {"price": 100} if kind == "counter" else {}
        by = rng.choice(["C", "C", "C", "M1"])
    elif kind == "answer":
        terms |= {"accept": rng.random() < 0.6}
        by = rng.choice(MAKERS)
    elif kind == "withdraw":
        terms |= {"quote": rng.choice(quotes)}
    elif kind == "time":
        return "time", "", {}
    return kind, by, terms


def consents(kept):
    """By request: who agreed to trade it, from the commands alone."""
    agreed, firm, quotes = {}, {}, 0
    for one in kept:
        if one["what"] == "quote":
            quotes += 1
            firm[quotes] = one["by"] if one["is_firm"] and not one["has_last_look"] else ""
        elif one["what"] == "accept":
            agreed.setdefault(one["request"], set()).update({one["by"], firm[one["quote"]]})
        elif one["what"] == "counter" or (one["what"] == "answer" and one["accept"]):
            agreed.setdefault(one["request"], set()).add(one["by"])
    return agreed


def require_open_ones(desk):
    """Each party's list has its open requests and no others, and none of them is overdue."""
    every = list(desk.open_requests())[::-1]
    for party in ("C", *MAKERS):
        own = [one for one in every if party == one.client or party in one.makers]
        assert list(desk.open_of(party)) == own
    assert desk.open_counts["C"] == len(every)
    for one in every:
        due_ns = one.pending[3] + desk.last_look_ns if one.pending else one.until_ns
        assert desk.now_ns <= due_ns
    assert not desk.is_due(desk.now_ns)


def test_a_shorter_last_look_counts_for_what_is_pending(desk):
    number = ask(desk)
    quote = desk.do("quote", "M1", 1, request=number, ask=101, has_last_look=True)
    desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    assert (desk.is_due(12), desk.is_due(13)) == (False, True)
    desk.do("rules", "", 3, makers=MAKERS, last_look_ns=4)
    assert (desk.is_due(6), desk.is_due(7)) == (False, True)
    desk.do("time", "", 7)
    assert desk.requests[number].state == "open"


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_random_requests_with_deaths_of_the_desk(seed):
    """Each trade has the consent of both, each request trades once, and a desk that is made again
    from what was kept is the same."""
    rng = Random(seed)
    kept = []
    desk = Desk(MAKERS, kept.append, last_look_ns=20)
    while len(desk.requests) < 1_000:
        what, by, terms = random_command(rng, desk)
        at_ns = desk.now_ns + rng.randint(0, 4)
        try:
            desk.do(what, by, at_ns, **terms)
        except Refusal:
            continue
        if rng.random() < 0.0005:
            again = Desk(MAKERS, kept.append, last_look_ns=20)
            again.replay(list(kept))
            assert vars(again.requests[len(desk.requests)]) == vars(
                desk.requests[len(desk.requests)]
            )
            desk = again
        if rng.random() < 0.01:
            require_open_ones(desk)
    assert max(Counter(trade.request for trade in desk.trades).values()) == 1
    assert len(desk.trades) > 50
    agreed = consents(kept)
    for trade in desk.trades:
        assert {trade.client, trade.maker} <= agreed[trade.request]
        assert desk.requests[trade.request].state == "traded"
    last = Desk(MAKERS, last_look_ns=20)
    last.replay(kept)
    assert (last.trades, last.looks) == (desk.trades, desk.looks)


def test_the_venue_sets_the_rules_and_says_what_became_of_a_trade(desk):
    desk.do("rules", "", 0, makers=["M9"], last_look_ns=5)
    number = ask(desk)
    assert desk.requests[number].makers == ("M9",)
    quote = desk.do("quote", "M9", 1, request=number, ask=101)
    with pytest.raises(Refusal, match="no trade"):
        desk.do("settled", "", 1, request=number, is_booked=True)
    desk.do("accept", "C", 2, request=number, quote=quote, side=BUY)
    assert [one.number for one in desk.unsettled()] == [number]
    with pytest.raises(Refusal, match="no trade"):
        desk.do("settled", "M9", 3, request=number, is_booked=True)
    desk.do("settled", "", 3, request=number, is_booked=False, why="balance")
    assert desk.unsettled() == []
    assert desk.requests[number].outcome.why == "balance"
    with pytest.raises(Refusal, match="no trade"):
        desk.do("settled", "", 4, request=number, is_booked=True)
    with pytest.raises(Refusal, match="sets the rules"):
        desk.do("rules", "M9", 4, makers=[], last_look_ns=5)


def test_what_a_maker_is_shown_of_another_ones_trade_is_that_it_is_over(desk):
    number = ask(desk)
    quotes = [
        desk.do("quote", maker, 1, request=number, ask=101, has_last_look=True)
        for maker in ("M1", "M2")
    ]
    desk.do("accept", "C", 2, request=number, quote=quotes[0], side=BUY)
    request = desk.requests[number]
    own, other = desk.seen(request, "M1"), desk.seen(request, "M2")
    assert (own.state, own.pending is None, own.client) == ("pending", False, "")
    assert (other.state, other.pending, other.client) == ("open", None, "")
    desk.do("answer", "M1", 3, request=number, accept=True)
    assert desk.seen(request, "M1").trade is not None
    assert (desk.seen(request, "M2").state, desk.seen(request, "M2").trade) == ("passed", None)


def test_what_has_changed_and_what_is_due_is_named(desk):
    first, second = ask(desk), ask(desk, until_ns=50)
    assert desk.touched == {first, second}
    desk.touched.clear()
    assert not desk.is_due(50)
    assert desk.is_due(51)
    desk.do("time", "", 51)
    assert desk.touched - {0} == {second}
    assert not desk.is_due(51)
