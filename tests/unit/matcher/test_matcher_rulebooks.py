"""Worked examples that venues publish with their rules: the same book must give the same answer.

Only the numbers are taken over; each case names the document.  Prices are in the smallest unit of
the example, quantities in lots (Binance's tenths become units).
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from openoutcry.wire import EventKind, Reason

Level = tuple[int, int]
"""Price ("max" or "min" for a market order would be None) and quantity."""


@dataclass(frozen=True)
class ProRata:
    """Orders of one level in order of time, an incoming quantity, and what each gets."""

    source: str
    orders: list[int]
    incoming: int
    fills: list[int]
    min_allocation: int = 2
    top_share_bps: int = 0


CME_STEPS = "CME Group Client Systems Wiki, Matching Algorithm Steps"
CME_COMPLEX = "CME Group Client Systems Wiki, Complex Match Example (SOFR, algorithm A, minimum 2)"
PRO_RATA = [
    ProRata(
        f"{CME_STEPS}, Pro Rata Example, then FIFO for the rest",
        [5, 9, 57, 4, 28, 300],
        50,
        # The pro-rata step gives 0, 0, 7, 0, 3, 37; the first in time takes the 3 lots left.
        [3, 0, 7, 0, 3, 37],
    ),
    ProRata(
        "CME Globex advisory notice 020705-1 of 2005-02-07, enhanced allocation for Eurodollars",
        [10, 5, 20, 50, 75],
        60,
        # The first is the TOP order; of the others' 150 the second would get a single lot.
        [10, 3, 6, 16, 25],
        top_share_bps=10_000,
    ),
    ProRata(
        f"{CME_COMPLEX}, source 1: 291 lots, TOP 100; 156, 237 and 316 lots remain",
        [100, 200, 300, 400],
        291,
        [100, 44, 63, 84],
        top_share_bps=10_000,
    ),
    ProRata(
        f"{CME_COMPLEX}, source 5: 21 lots, TOP 10; 2 left over go to the second order",
        [10, 40, 20, 30],
        21,
        [10, 6, 2, 3],
        top_share_bps=10_000,
    ),
]


@pytest.mark.parametrize("case", PRO_RATA, ids=lambda case: case.source)
def test_pro_rata_shares_are_the_published_ones(script, case):
    """Each order gets the lots that the venue's own page says it gets."""
    script.with_instruments(
        [
            {
                "symbol": "A",
                "allocation": 2,
                "min_allocation_lots": case.min_allocation,
                "top_share_bps": case.top_share_bps,
            }
        ]
    )
    for order_id, qty in enumerate(case.orders, start=1):
        script.send(f"NEW id={order_id} BUY {qty}@9704")
    events = script.send(f"NEW id=99 SELL {case.incoming}@9704")
    fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] != 99)]
    got = dict(zip(fills["order_id"].tolist(), fills["qty_lots"].tolist(), strict=True))
    assert [got.get(i, 0) for i in range(1, len(case.orders) + 1)] == case.fills
    assert sorted(got) == fills["order_id"].tolist(), "one fill an order, in order of time"


@dataclass(frozen=True)
class Steps:
    """Orders of one level in order of time, by whom; what comes, and what each gets."""

    source: str
    orders: list[int]
    incoming: int
    fills: list[int]
    rules: dict[str, int]
    owners: dict[int, int] = field(default_factory=dict)
    """Participants of orders, by their place from 1, where it matters: lead market makers."""


A_ = {"top_share_bps": 10_000, "min_allocation_lots": 2}
BY_TIME = {"fifo_share_bps": 10_000}
REPLICA = "worked example of a public replica of Globex (jacobbrooks, MatchingAlgorithmsTest)"
ATAS = "ATAS, CME Order Matching Algorithms, part"
OWN = "made from the rule text of CME's Matching Algorithm Steps"
STEPS = [
    Steps(f"A: {PRO_RATA[1].source}", PRO_RATA[1].orders, 60, PRO_RATA[1].fills, A_),
    Steps(f"A: {CME_COMPLEX}, source 1", [100, 200, 300, 400], 291, [100, 44, 63, 84], A_),
    Steps(f"A: {CME_COMPLEX}, source 5", [10, 40, 20, 30], 21, [10, 6, 2, 3], A_),
    Steps(f"A: {REPLICA}", [2, 56, 42], 50, [2, 28, 20], A_),
    Steps(
        f"C: {CME_STEPS}, Pro Rata Example, then FIFO",
        PRO_RATA[0].orders,
        50,
        PRO_RATA[0].fills,
        {"min_allocation_lots": 2},
    ),
    Steps(f"C: {REPLICA}", [2, 42, 56], 50, [1, 21, 28], {"min_allocation_lots": 1}),
    Steps(f"F: {OWN}", [5, 9, 57], 20, [5, 9, 6], BY_TIME),
    Steps(
        f"K: {REPLICA}: TOP 2; LMM 20 and 40 of 200; 56 by time, 84 pro rata; leveling",
        [2, 51, 47, 100, 1, 1, 1, 1],
        202,
        [2, 51, 47, 98, 1, 1, 1, 1],
        {
            "top_share_bps": 10_000,
            "min_allocation_lots": 2,
            "fifo_share_bps": 4000,
            "leveling": 1,
            "lmm1_participant": 11,
            "lmm1_share_bps": 1000,
            "lmm2_participant": 12,
            "lmm2_share_bps": 2000,
        },
        {2: 11, 3: 12},
    ),
    Steps(
        f"K: {REPLICA}: TOP 1, 3 of 7 by time, 4 pro rata, leveling the largest first",
        [1, 100, 30, 80, 30, 60],
        8,
        [1, 4, 1, 1, 0, 1],
        {"top_share_bps": 10_000, "min_allocation_lots": 1, "fifo_share_bps": 4000, "leveling": 1},
    ),
    Steps(
        f"K: {REPLICA}: nothing by time",
        [1, 59, 40],
        50,
        [1, 30, 19],
        {
            "top_share_bps": 10_000,
            "min_allocation_lots": 2,
            "lmm1_participant": 11,
            "lmm1_share_bps": 2000,
            "lmm2_participant": 12,
            "lmm2_share_bps": 1000,
        },
        {2: 11, 3: 12},
    ),
    Steps(
        f"K: {REPLICA}: nothing pro rata",
        [1, 59, 40],
        50,
        [1, 45, 4],
        {
            "top_share_bps": 10_000,
            "lmm1_participant": 11,
            "lmm1_share_bps": 2000,
            "lmm2_participant": 12,
            "lmm2_share_bps": 1000,
            **BY_TIME,
        },
        {2: 11, 3: 12},
    ),
    Steps(
        f"O: {ATAS} 3, corn option: TOP 10 to 100, least 1; {REPLICA}",
        [150, 8, 160],
        200,
        [124, 3, 73],
        {
            "top_share_bps": 10_000,
            "top_min_lots": 10,
            "top_max_lots": 100,
            "min_allocation_lots": 1,
        },
    ),
    Steps(
        f"O: {OWN}: a first order below the TOP minimum",
        [9, 8, 160],
        100,
        [6, 4, 90],
        {
            "top_share_bps": 10_000,
            "top_min_lots": 10,
            "top_max_lots": 100,
            "min_allocation_lots": 1,
        },
    ),
    Steps(
        f"Q: {ATAS} 4, ten-year note option: TOP 25 to 250, LMM 40 %; {REPLICA}",
        [300, 15, 160],
        400,
        [278, 8, 114],
        {
            "top_share_bps": 10_000,
            "top_min_lots": 25,
            "top_max_lots": 250,
            "min_allocation_lots": 1,
            "lmm1_participant": 11,
            "lmm1_share_bps": 4000,
        },
        {3: 11},
    ),
    Steps(
        f"S: {OWN} and CME's LMM page: TOP 10, LMM 10 % and 20 % of 20, the rest by time",
        [10, 10, 10, 10],
        30,
        [10, 10, 10, 0],
        {
            "top_share_bps": 10_000,
            "lmm1_participant": 11,
            "lmm1_share_bps": 1000,
            "lmm2_participant": 12,
            "lmm2_share_bps": 2000,
            **BY_TIME,
        },
        {2: 11, 3: 12},
    ),
    Steps(
        f"S: {OWN}: a TOP order of the LMM's own is not in his share",
        [10, 30, 10, 20],
        30,
        [10, 12, 8, 0],
        {"top_share_bps": 10_000, "lmm1_participant": 11, "lmm1_share_bps": 4000, **BY_TIME},
        {1: 11, 3: 11},
    ),
    Steps(
        f"T: {OWN}: his orders in order of time, none beyond their quantity",
        [40, 5, 30, 9],
        50,
        [25, 5, 20, 0],
        {"lmm1_participant": 11, "lmm1_share_bps": 5000, **BY_TIME},
        {2: 11, 3: 11},
    ),
]


@pytest.mark.parametrize("case", STEPS, ids=lambda case: case.source)
def test_allocation_in_steps_is_the_published_one(script, case):
    """CME's algorithms A, C, F, K, O, Q, S and T as parameters of one; the first order has bettered
    an empty market, so it is TOP where there is one."""
    script.with_instruments([{"symbol": "A", "allocation": 3, **case.rules}])
    for number, qty in enumerate(case.orders, start=1):
        script.send(f"NEW id={number} BUY {qty}@9704 p{case.owners.get(number, 1)}")
    events = script.send(f"NEW id=99 SELL {case.incoming}@9704 p99")
    fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] != 99)]
    got = dict(zip(fills["order_id"].tolist(), fills["qty_lots"].tolist(), strict=True))
    assert [got.get(i, 0) for i in range(1, len(case.orders) + 1)] == case.fills
    assert sorted(got) == fills["order_id"].tolist(), "one fill an order, in order of time"


TOP_RULES = {"allocation": 3, "top_share_bps": 10_000, "min_allocation_lots": 2}


def shares(script, qty):
    events = script.send(f"NEW id=99 SELL {qty}@90 IOC p99")
    fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] != 99)]
    return list(zip(fills["order_id"].tolist(), fills["qty_lots"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100"], [(1, 10), (2, 10)]),
        (
            ["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "NEW id=3 BUY 40@100", "CANCEL id=1"],
            [(2, 9), (3, 11)],
        ),
        (
            ["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "NEW id=3 BUY 1@101", "CANCEL id=3"],
            [(1, 5), (2, 15)],
        ),
        (["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "REPLACE id=1 12@100"], [(2, 15), (1, 5)]),
        (["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "REDUCE id=1 2"], [(1, 8), (2, 12)]),
        (
            [
                "NEW id=1 BUY 10@99",
                "NEW id=2 BUY 30@100",
                "REPLACE id=2 30@98",
                "NEW id=3 BUY 30@98",
                "CANCEL id=1",
            ],
            [(2, 10), (3, 10)],
        ),
        (
            ["PHASE PRE_OPEN", "NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "PHASE CONTINUOUS"],
            [(1, 5), (2, 15)],
        ),
        (
            ["NEW id=1 BUY 10@100", "NEW id=2 BUY 30@100", "PHASE HALT", "PHASE CONTINUOUS"],
            [(1, 5), (2, 15)],
        ),
    ],
    ids=[
        "first at a better price",
        "nobody when TOP is cancelled",
        "nor when a better one goes",
        "a larger order loses it",
        "a smaller keeps it",
        "a step back betters nothing",
        "none from the pre-opening",
        "none over a halt",
    ],
)
def test_only_an_order_that_bettered_the_market_is_top(script, lines, expected):
    """CME's advisory notice 11219 of 2004 and the Pro Rata rules of its Client Systems Wiki: after
    the opening, the first order at a better price than all, until a better one is entered."""
    script.with_instruments([{"symbol": "A", **TOP_RULES}])
    for line in lines:
        script.send(line)
    assert shares(script, 20) == expected


@dataclass(frozen=True)
class Auction:
    """A book in a call phase and what its uncrossing gives; price None is a market order."""

    source: str
    buys: list[tuple[int | None, int]]
    sells: list[tuple[int | None, int]]
    price: int
    volume: int
    surplus: int
    """Buy surplus, or minus the sell surplus."""
    reference: int | None = None
    notes: str = field(default="")

    def __str__(self) -> str:
        return f"{self.source} ref={self.reference}"


CME_OPENING = "CME Group Client Systems Wiki, Application of the Indicative Opening Price Rules"
XETRA = "Deutsche Boerse, Xetra Market Model Equities, examples of price determination in auctions"
CME_BIDS: list[tuple[int | None, int]] = [(51, 10), (50, 20), (49, 30), (48, 40)]
CME_ASKS: list[tuple[int | None, int]] = [(51, 30), (50, 100), (49, 1), (48, 25)]
XETRA_2_SELLS: list[tuple[int | None, int]] = [(199, 300), (198, 200)]
XETRA_5_BUYS: list[tuple[int | None, int]] = [(202, 300), (201, 200)]
AUCTIONS = [
    Auction(
        f"{CME_OPENING}, rule 1: most volume",
        [*CME_BIDS, (47, 50), (46, 70), (45, 100), (44, 1), (43, 30)],
        [*CME_ASKS, (47, 1), (46, 100), (45, 90), (44, 4), (43, 6)],
        46,
        200,
        20,
    ),
    Auction(
        f"{CME_OPENING}, rule 2: least left over",
        [*CME_BIDS, (47, 50), (46, 30), (45, 100), (44, 1), (43, 30)],
        [*CME_ASKS, (46, 50), (45, 90), (44, 4), (43, 6)],
        47,
        150,
        0,
    ),
    Auction(
        f"{CME_OPENING}, rule 3: surplus to buy, highest price",
        [*CME_BIDS, (47, 80), (45, 20), (44, 30), (43, 30)],
        [*CME_ASKS, (46, 50), (45, 90), (44, 4), (43, 6)],
        47,
        150,
        30,
    ),
    Auction(
        "ASX call auction of 2002, example of stock X (UNSW, Trading Engine Course, appendix)",
        [(640, 500), (639, 500), (639, 500), (634, 1000), (633, 500)],
        [(610, 1000), (640, 500), (641, 520), (642, 550), (643, 519)],
        639,
        1000,
        500,
    ),
    Auction(
        "HKEX closing auction session, example 1 (order input period)",
        [(2405, 200), (2400, 1000), (2395, 400)],
        [(2395, 400), (2400, 600), (2405, 400), (2405, 400)],
        2400,
        1000,
        200,
    ),
    Auction(
        f"{XETRA}, 1: one limit",
        [(202, 200), (201, 200), (200, 300)],
        [(200, 100), (198, 200), (197, 400)],
        200,
        700,
        0,
    ),
    Auction(f"{XETRA}, 2: surplus to buy", [(202, 400), (201, 200)], XETRA_2_SELLS, 201, 500, 100),
    Auction(f"{XETRA}, 3: surplus to sell", XETRA_5_BUYS, [(199, 400), (198, 200)], 199, 500, -100),
    *(
        Auction(
            f"{XETRA}, 4: surplus on either side, the limit nearest the reference",
            [(None, 100), (199, 100)],
            [(None, 100), (202, 100)],
            199,
            100,
            100,
            reference,
        )
        for reference in (199, 200)
    ),
    *(
        Auction(
            f"{XETRA}, 5: no surplus, the limit nearest the reference, of two the higher",
            XETRA_5_BUYS,
            XETRA_2_SELLS,
            price,
            500,
            0,
            reference,
        )
        for reference, price in ((200, 201), (202, 201), (198, 199))
    ),
    *(
        Auction(
            f"{XETRA}, 6: market orders only, the reference",
            [(None, 900)],
            [(None, 800)],
            reference,
            800,
            100,
            reference,
        )
        for reference in (250, 99)
    ),
    Auction(
        "Xetra auction example 1 of an earlier release (clob, mmod_auction_xetra_01)",
        [(200, 300), (199, 200), (198, 300), (196, 100)],
        [(200, 100), (198, 300), (197, 400)],
        198,
        700,
        100,
    ),
    Auction(
        "Xetra auction example 2 of an earlier release (clob, mmod_auction_xetra_02)",
        [(200, 600), (197, 200)],
        [(201, 400), (199, 100), (198, 100), (197, 300)],
        200,
        500,
        100,
    ),
    Auction(
        "Xetra auction example 3 of an earlier release (clob, mmod_auction_xetra_03)",
        [(202, 300), (201, 100), (199, 100), (197, 400)],
        [(201, 200), (198, 600)],
        198,
        500,
        -100,
    ),
]


@pytest.mark.parametrize("case", AUCTIONS, ids=str)
def test_auction_prices_are_the_published_ones(script, case):
    """Price, volume and surplus of the venue's page, shown as indicative and then traded."""
    script.with_instruments([{"symbol": "A", "initial_phase": 3}])
    if case.reference is not None:
        script.send(f"PHASE OPENING_AUCTION ref={case.reference}")
    order_id = 0
    indicative = np.zeros(0)
    for side, orders in (("BUY", case.buys), ("SELL", case.sells)):
        for price, qty in orders:
            order_id += 1
            what = f"{qty} MARKET" if price is None else f"{qty}@{price}"
            events = script.send(f"NEW id={order_id} {side} {what} p{order_id}")
            shown = events[events["kind"] == EventKind.INDICATIVE]
            indicative = shown[-1] if len(shown) else indicative
    events = script.send("PHASE CONTINUOUS")
    uncrossed = events[events["kind"] == EventKind.UNCROSSED]
    assert len(uncrossed) == 1
    side = 1 if case.surplus > 0 else 2 if case.surplus < 0 else 0
    expected = [case.price, case.volume, abs(case.surplus), side]
    for event in (indicative, uncrossed[0]):
        fields = ("price_ticks", "qty_lots", "leaves_lots", "side")
        assert [int(event[name]) for name in fields] == expected
    fills = events[events["kind"] == EventKind.FILLED]
    assert (fills["price_ticks"] == case.price).all()
    assert fills["qty_lots"].sum() == 2 * case.volume


BINANCE = "Binance Spot API docs, Self Trade Prevention FAQ, scenario "
THREE_MAKERS = "\n".join(
    f"NEW id={i} BUY {qty}@{price}\n    ACCEPTED id={i} {qty}@{price} leaves={qty}"
    for i, qty, price in ((2, 12, 12), (3, 13, 11), (4, 81, 10))
)
SELF_TRADES = {
    "A: NONE, they trade": """
NEW id=2 BUY 1@1
    ACCEPTED id=2 1@1 leaves=1
NEW id=3 SELL 1@1 ALLOW
    ACCEPTED id=3 1@1 leaves=1
    FILLED id=2 1@1 leaves=0 contra=3 MAKER
    FILLED id=3 1@1 leaves=0 contra=2
""",
    "B: EXPIRE_MAKER, the makers expire and the taker rests": f"""
{THREE_MAKERS}
NEW id=5 SELL 30@10 CANCEL_OLDEST
    ACCEPTED id=5 30@10 leaves=30
    CANCELLED id=2 12@12 leaves=0 SELF_TRADE
    CANCELLED id=3 13@11 leaves=0 SELF_TRADE
    CANCELLED id=4 81@10 leaves=0 SELF_TRADE
CANCEL id=5
    CANCELLED id=5 30@10 leaves=0 USER
""",
    "C: EXPIRE_TAKER, the makers stay": f"""
{THREE_MAKERS}
NEW id=5 SELL 30@10 CANCEL_NEWEST
    ACCEPTED id=5 30@10 leaves=30
    CANCELLED id=5 30@10 leaves=0 SELF_TRADE
CANCEL id=2
    CANCELLED id=2 12@12 leaves=0 USER
CANCEL id=3
    CANCELLED id=3 13@11 leaves=0 USER
CANCEL id=4
    CANCELLED id=4 81@10 leaves=0 USER
""",
    "D: EXPIRE_BOTH, both expire": """
NEW id=2 BUY 1@1
    ACCEPTED id=2 1@1 leaves=1
NEW id=5 SELL 3@1 CANCEL_BOTH
    ACCEPTED id=5 3@1 leaves=3
    CANCELLED id=2 1@1 leaves=0 SELF_TRADE
    CANCELLED id=5 3@1 leaves=0 SELF_TRADE
""",
    "E: the taker's mode counts, not the maker's": """
NEW id=2 BUY 1@1 CANCEL_OLDEST
    ACCEPTED id=2 1@1 leaves=1
NEW id=3 SELL 1@1 CANCEL_NEWEST
    ACCEPTED id=3 1@1 leaves=1
    CANCELLED id=3 1@1 leaves=0 SELF_TRADE
CANCEL id=2
    CANCELLED id=2 1@1 leaves=0 USER
""",
    "F: a market order with EXPIRE_MAKER, which then finds nothing": """
NEW id=2 BUY 1@1
    ACCEPTED id=2 1@1 leaves=1
NEW id=3 SELL 1 MARKET CANCEL_OLDEST
    ACCEPTED id=3 1@0 leaves=1
    CANCELLED id=2 1@1 leaves=0 SELF_TRADE
    CANCELLED id=3 1@0 leaves=0 MARKET_REST
""",
    "G: DECREMENT, both lose the smaller quantity": """
NEW id=23 BUY 6@2
    ACCEPTED id=23 6@2 leaves=6
NEW id=24 SELL 2@2 DECREMENT
    ACCEPTED id=24 2@2 leaves=2
    REDUCED id=23 2@2 leaves=4 SELF_TRADE
    CANCELLED id=24 2@2 leaves=0 SELF_TRADE
CANCEL id=23
    CANCELLED id=23 4@2 leaves=0 USER
""",
}


@pytest.mark.parametrize("scenario", SELF_TRADES)
def test_self_trades_end_as_published(script, scenario):
    """The scenarios of a large crypto venue, whose names for the modes are EXPIRE_TAKER
    (CANCEL_NEWEST), EXPIRE_MAKER (CANCEL_OLDEST), EXPIRE_BOTH and DECREMENT."""
    assert Reason.SELF_TRADE, BINANCE + scenario
    script.run(SELF_TRADES[scenario])
