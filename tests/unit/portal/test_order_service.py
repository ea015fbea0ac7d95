"""The order service's codes and terms, as every API says and reads them."""

import ast
import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import openoutcry.portal as portal
from openoutcry.order_entry.fix import refusals
from openoutcry.portal.native import problems
from openoutcry.portal.spot import errors
from openoutcry.portal.trading import reject, terms
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.orders import REJECTED, Order
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.risk.bits import RISK_REASON, RiskBit
from openoutcry.wire.enums import Reason

STEP, LEAST, MOST = 5, 2, 900
ROW = {
    "price_step_ticks": STEP,
    "qty_step_lots": 2,
    "min_qty_lots": LEAST,
    "max_qty_lots": MOST,
    "min_price_ticks": 10,
    "max_price_ticks": 10_000,
}
MARKET = Market(0, "GOLD", b"GOLD", "GOLD", "G", "USD", 3, 4, 2, 10, 1, ROW)
AMOUNTS = st.one_of(
    st.decimals("0", "200", places=3).map(str),
    st.integers(0, 10**22).map(str),
    st.text("0123456789.+-eE \u0661", max_size=8),
)


@pytest.mark.parametrize("code", Code)
def test_every_code_has_words_in_every_api(code):
    refused = Reject(code, "price", "of the venue")
    spot, native = errors.of_reject(refused), problems.of_reject(refused)
    assert spot.code < 0
    assert "{" not in spot.text.replace("{1,20}", "")
    assert 400 <= native.status < 600
    assert str(native).startswith("price: ")
    assert native.code in problems.EVERY_CODE


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_the_core_is_a_code(reason):
    order = Order(1, 1000, 0, 1, "one", 1, 1, 4, 100, 1, 0, 0, 0, state=REJECTED)
    order.reason = reason
    refused = reject.rejection(order)
    assert refused.code is not Code.REFUSED or refused.detail == reason.name


@pytest.mark.parametrize("check", RiskBit)
def test_every_check_of_risk_is_a_code(check):
    order = Order(1, 1000, 0, 1, "one", 1, 1, 4, 100, 1, 0, 0, 0, state=REJECTED)
    order.reason, order.contra = RISK_REASON, 1 << check
    refused = reject.rejection(order)
    assert refused.code is not Code.REFUSED or refused.detail == check.name


def text_over_fix(row):
    """Tag 58 of a row of the table that the encoder of FIX copies from."""
    begin = refusals.ROW_BYTES * row
    return refusals.rows()[begin + 8 :][: refusals.rows()[begin + 2]].decode()


def test_a_refused_change_has_the_code_of_a_refused_order():
    """The answer of the session is known by its text."""
    own = {Code.REFUSED, Code.DUPLICATE, Code.WOULD_TRIGGER}
    for reason, code in reject.OF_REASONS.items():
        answered = reject.not_changed(f"{text_over_fix(reason)}: 5 of 4")
        assert answered.code is (Code.NOT_CHANGED if code in own else code), reason
    for bit, code in ((RiskBit.BALANCE, Code.BALANCE), (RiskBit.MARGIN, Code.MARGIN)):
        assert reject.not_changed(text_over_fix(refusals.LIMITS + bit)).code is code


def read_or_refused(read, field, text):
    """The number that a text is, or None and the field of its refusal."""
    try:
        return read(MARKET, field, text), ""
    except Reject as refused:
        return None, refused.field


@given(AMOUNTS)
def test_an_amount_is_read_exactly_or_refused_by_its_field(text):
    readings = {
        "price": (terms.price_of, MARKET.price),
        "quantity": (terms.lots_of, MARKET.quantity),
        "amount": (terms.budget_of, MARKET.amount),
        "distance": (terms.distance_of, MARKET.price),
    }
    for field, (read, shown) in readings.items():
        number, refused_field = read_or_refused(read, field, text)
        if number is None:
            assert refused_field == field
            continue
        assert float(shown(number)) == float(text)
        if field == "price":
            assert 10 <= number <= 10_000
            assert number % STEP == 0
        elif field == "quantity":
            assert LEAST <= number <= MOST
            assert number % 2 == 0
        else:
            assert number >= 0


@pytest.mark.parametrize("text", ["12.5", "12.50", "012.500", "12.5000000"])
def test_however_a_price_is_written_it_is_one_level(text):
    assert terms.price_of(MARKET, "price", text) == terms.price_of(MARKET, "price", "12.5")


@given(st.integers(1, MOST // 2), st.integers(1, MOST // 2))
def test_an_iceberg_shows_a_part_that_is_not_too_small(shown, lots):
    shown, lots = shown * 2, lots * 2
    text = MARKET.quantity(shown)
    if shown > lots:
        with pytest.raises(Reject) as refused:
            terms.shown_of(MARKET, "shown", text, lots)
        assert refused.value.code is Code.ICEBERG_EXCEEDS
    elif shown * terms.ICEBERG_PARTS < lots:
        with pytest.raises(Reject) as refused:
            terms.shown_of(MARKET, "shown", text, lots)
        assert refused.value.code is Code.ICEBERG_PARTS
    else:
        assert terms.shown_of(MARKET, "shown", text, lots) == (0 if shown == lots else shown)


def test_no_api_enters_orders_in_the_words_of_another():
    """The order service knows no API, and the native API's orders know nothing of the other's."""
    folder = Path(inspect.getfile(portal)).parent
    places = [*(folder / "trading").glob("*.py"), folder / "native" / "orders.py"]
    for place in places:
        names = {
            name
            for node in ast.walk(ast.parse(place.read_text()))
            if isinstance(node, ast.ImportFrom)
            for name in [node.module or ""]
        }
        foreign = ("openoutcry.portal.spot",)
        if place.parent.name == "trading":
            foreign += ("openoutcry.portal.native",)
        assert not [one for one in names if one.startswith(foreign)], place.name
