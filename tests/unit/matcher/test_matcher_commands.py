"""What each command does, in whole event lists, by the kernels and by the reference alike."""

import re

import pytest

from openoutcry.wire import (
    Allocation,
    CommandKind,
    EventFlag,
    EventKind,
    InstrumentOption,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    TimeInForce,
)
from openoutcry.wire.enums import Contingency, Term
from tests import ROOT
from tests.support.matcher.matcher_script import page_script

PAGE = ROOT / "docs" / "matcher.md"
MORE = ROOT / "tests" / "support" / "matcher" / "examples.md"
EXAMPLES = re.findall(r"```example\n(.*?)```", PAGE.read_text() + MORE.read_text(), re.DOTALL)
NO_TYPE, NO_TIME = max(OrderType) + 1, max(TimeInForce) + 1
ANY_QTY = "INSTRUMENT max_qty_lots=9223372036854775807"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_on_the_page_are_what_happens(script, number):
    """docs/matcher.md shows what the matcher really answers."""
    script.run(page_script(EXAMPLES[number]))


def test_a_page_leaves_out_what_follows_from_its_commands() -> None:
    """An order whose answer the page shows gets no second one; a trade is two fills."""
    page = """NEW id=1 BUY 5@100 p7; NEW id=2 SELL 3 MARKET
    TRADE 3@100 id=1 leaves=2 id=2 leaves=0
NEW id=1 BUY 5@100
    REJECTED id=1 5@100 leaves=0 DUPLICATE_ID
PHASE CONTINUOUS
    TRADE 1@100 id=1 leaves=1 id=2 leaves=0 AUCTION"""
    assert page_script(page).splitlines() == [
        "NEW id=1 BUY 5@100 p7",
        "    ACCEPTED id=1 5@100 leaves=5 p7",
        "NEW id=2 SELL 3 MARKET",
        "    ACCEPTED id=2 3@0 leaves=3",
        "    FILLED id=1 3@100 leaves=2 contra=2 MAKER p7",
        "    FILLED id=2 3@100 leaves=0 contra=1",
        "NEW id=1 BUY 5@100",
        "    REJECTED id=1 5@100 leaves=0 DUPLICATE_ID",
        "PHASE CONTINUOUS",
        "    FILLED id=1 1@100 leaves=1 contra=2 AUCTION",
        "    FILLED id=2 1@100 leaves=0 contra=1 AUCTION",
    ]


@pytest.mark.parametrize(
    "names",
    [
        CommandKind,
        OrderType,
        TimeInForce,
        SelfTrade,
        Phase,
        Allocation,
        EventKind,
        Reason,
        EventFlag,
        InstrumentOption,
        Term,
        Contingency,
    ],
    ids=lambda names: names.__name__,
)
def test_everything_that_has_a_name_has_an_example(names):
    """Whoever adds an order type, an event or a reason shows on the page what it does."""
    words = set(re.split(r"[\s=+]+", "\n".join(EXAMPLES)))
    # Before the matcher RISK is answered, and the speed bump is waited for: docs/risk.md.  The
    # operator's states and rules of an instrument cancel from without: docs/venue.md.  So does risk
    # what only reduces, and a trade that is taken back is docs/operations.md's.
    before = {"RISK", "DELAYED", "ENTERED", "CLOSE_ONLY", "DELISTED", "REDUCE_ONLY"}
    before |= {"RULES_CHANGED", "BROKEN"}
    unshown = {name.name for name in names} - words - before - {"NONE", "LAST"}
    assert not unshown, f"add an example to docs/matcher.md: {sorted(unshown)}"


def test_checks_of_a_new_order_come_in_their_order(script):
    """Each reason is given only when every check before it has passed."""
    script.run(f"""
{ANY_QTY}
NEW id=1 kind=99 side=0 0@100 err=6 sym=ZZ
    REJECTED id=1 0@100 leaves=0 contra=6 GATEWAY
NEW id=1 kind=99 side=0 0@100 sym=ZZ
    REJECTED id=1 0@100 leaves=0 MALFORMED
NEW id=1 side=0 0@100 sym=ZZ
    REJECTED id=1 0@100 leaves=0 UNKNOWN_INSTRUMENT
NEW id=1 side=0 0@100
    REJECTED id=1 0@100 leaves=0 MALFORMED
NEW id=1 BUY 0@100
    REJECTED id=1 0@100 leaves=0 BAD_QTY
NEW id=1 BUY -5@100
    REJECTED id=1 -5@100 leaves=0 BAD_QTY
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=1 SELL 5@100 POST_ONLY
    REJECTED id=1 5@100 leaves=0 DUPLICATE_ID
NEW id=2 SELL 9223372036854775807@100 POST_ONLY
    REJECTED id=2 9223372036854775807@100 leaves=0 WOULD_CROSS
NEW id=2 BUY 9223372036854775803@100
    REJECTED id=2 9223372036854775803@100 leaves=0 LEVEL_OVERFLOW
NEW id=2 BUY 9223372036854775802@100
    ACCEPTED id=2 9223372036854775802@100 leaves=9223372036854775802
""")


@pytest.mark.parametrize(
    "fields", ["side=3", "type=0", f"type={NO_TYPE}", "tif=0", f"tif={NO_TIME}"]
)
def test_values_of_no_enumeration_are_malformed(script, fields):
    """A side, type or time in force that is not declared is refused."""
    script.run(f"""
NEW id=1 BUY 5@100 {fields}
    REJECTED id=1 5@100 leaves=0 MALFORMED
""")


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_post_only_that_must_not_rest_is_malformed(script, tif):
    """POST_ONLY makes no sense with a time in force that never rests."""
    script.run(f"""
NEW id=1 BUY 5@100 POST_ONLY {tif}
    REJECTED id=1 5@100 leaves=0 MALFORMED
""")


def test_commands_on_open_orders_are_checked_in_order(script):
    """Unknown order, foreign order and bad quantity, and never the side of the record."""
    script.run("""
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
CANCEL id=2
    REJECTED id=2 0@0 leaves=0 UNKNOWN_ORDER
CANCEL id=1 sym=BB p2
    REJECTED id=1 0@0 leaves=0 UNKNOWN_ORDER p2
REDUCE id=1 0 p2
    REJECTED id=1 0@0 leaves=0 NOT_OWNER p2
REDUCE id=1 0
    REJECTED id=1 0@0 leaves=0 BAD_QTY
REPLACE id=1 -1@100
    REJECTED id=1 -1@100 leaves=0 BAD_QTY
REDUCE id=1 SELL 2
    REDUCED id=1 2@100 leaves=3
REDUCE id=1 3
    CANCELLED id=1 3@100 leaves=0 REDUCED_TO_ZERO
CANCEL id=1
    REJECTED id=1 0@0 leaves=0 UNKNOWN_ORDER
""")


def test_an_id_is_free_again_when_its_order_is_closed(script):
    """Cancelled and filled ids may come back."""
    script.run("""
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
CANCEL id=1
    CANCELLED id=1 5@100 leaves=0 USER
NEW id=1 SELL 5@100 sym=BB
    ACCEPTED id=1 5@100 leaves=5
NEW id=2 BUY 5@100 sym=BB
    ACCEPTED id=2 5@100 leaves=5
    FILLED id=1 5@100 leaves=0 contra=2 MAKER
    FILLED id=2 5@100 leaves=0 contra=1
NEW id=1 BUY 1@100 sym=BB
    ACCEPTED id=1 1@100 leaves=1
""")


def test_extreme_prices_trade_in_order(script):
    """The ends of int64 are prices like others, on both sides."""
    low, high = -(2**62), "max"
    script.run(f"""
INSTRUMENT max_price_ticks={2**63 - 1}
NEW id=1 SELL 1@{high}
    ACCEPTED id=1 1@{high} leaves=1
NEW id=2 BUY 1@{low}
    ACCEPTED id=2 1@{low} leaves=1
NEW id=3 BUY 1@-1
    ACCEPTED id=3 1@-1 leaves=1
NEW id=4 SELL 3@{low}
    ACCEPTED id=4 3@{low} leaves=3
    FILLED id=3 1@-1 leaves=0 contra=4 MAKER
    FILLED id=4 1@-1 leaves=2 contra=3
    FILLED id=2 1@{low} leaves=0 contra=4 MAKER
    FILLED id=4 1@{low} leaves=1 contra=2
NEW id=5 BUY 3@0 MARKET
    ACCEPTED id=5 3@0 leaves=3
    FILLED id=4 1@{low} leaves=0 contra=5 MAKER
    FILLED id=5 1@{low} leaves=2 contra=4
    FILLED id=1 1@{high} leaves=0 contra=5 MAKER
    FILLED id=5 1@{high} leaves=1 contra=1
    CANCELLED id=5 1@0 leaves=0 MARKET_REST
""")


def test_fill_or_kill_sums_levels_without_overflow(script):
    """Three levels of nearly 2**63 each are more than enough, not a negative sum."""
    big = 2**63 - 1
    script.run(f"""
{ANY_QTY}
NEW id=1 SELL {big - 1}@100
    ACCEPTED id=1 {big - 1}@100 leaves={big - 1}
NEW id=2 SELL {big}@101
    ACCEPTED id=2 {big}@101 leaves={big}
NEW id=3 SELL {big}@102
    ACCEPTED id=3 {big}@102 leaves={big}
NEW id=4 BUY {big}@100 FOK
    ACCEPTED id=4 {big}@100 leaves={big}
    CANCELLED id=4 {big}@100 leaves=0 FOK_UNFILLABLE
NEW id=4 BUY {big}@101 FOK
    ACCEPTED id=4 {big}@101 leaves={big}
    FILLED id=1 {big - 1}@100 leaves=0 contra=4 MAKER
    FILLED id=4 {big - 1}@100 leaves=1 contra=1
    FILLED id=2 1@101 leaves={big - 1} contra=4 MAKER
    FILLED id=4 1@101 leaves=0 contra=2
""")


def test_market_fill_or_kill_and_day(script):
    """A market order takes any time in force and never rests."""
    script.run("""
NEW id=1 SELL 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=2 BUY 6@1 MARKET FOK
    ACCEPTED id=2 6@1 leaves=6
    CANCELLED id=2 6@1 leaves=0 FOK_UNFILLABLE
NEW id=2 BUY 6@1 MARKET IOC
    ACCEPTED id=2 6@1 leaves=6
    FILLED id=1 5@100 leaves=0 contra=2 MAKER
    FILLED id=2 5@100 leaves=1 contra=1
    CANCELLED id=2 1@1 leaves=0 MARKET_REST
""")


def test_a_refused_replace_leaves_the_order_where_it_was(script):
    """Level overflow is decided before the order leaves its level; its own lots do not count."""
    big = 2**63 - 1
    script.run(f"""
{ANY_QTY}
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=2 BUY {big - 1}@99
    ACCEPTED id=2 {big - 1}@99 leaves={big - 1}
REPLACE id=1 5@99
    REJECTED id=1 5@99 leaves=0 LEVEL_OVERFLOW
REPLACE id=2 {big}@99
    REPLACED id=2 {big}@99 leaves={big}
NEW id=3 SELL 1@100
    ACCEPTED id=3 1@100 leaves=1
    FILLED id=1 1@100 leaves=4 contra=3 MAKER
    FILLED id=3 1@100 leaves=0 contra=1
""")
