"""What each pattern is, in a sentence for the reader of a case, and its source."""

from typing import NamedTuple


class Definition(NamedTuple):
    """Definition of a kind of case, for people; ``source``: the rule that describes it."""

    title: str
    what: str
    source: str
    lots: str = "Lots"
    """Meaning of a case's lots."""


MAR = "Regulation (EU) 596/2014 art. 12 and Delegated Regulation (EU) 2016/522, Annex II"
DEFINITIONS = {
    "spoofing": Definition(
        "spoofing",
        "An owner enters large displayed orders near the market on one side and trades on the "
        "other at a better price than before. Within seconds it withdraws the large orders; "
        "repeatedly.",
        f"{MAR}; CFTC 2013-12365",
        "Largest pressure, lots",
    ),
    "layering": Definition(
        "layering",
        "Orders at several prices on one side that press on the market, a trade of the same owner "
        "on the other side, and the layers are withdrawn; repeatedly.",
        f"{MAR}; FINRA Rule 5210.03 (Regulatory Notice 17-22)",
        "Largest pressure, lots",
    ),
    "wash_self": Definition(
        "wash trades with itself",
        "Orders of one size, entered shortly after one another by the same participant, that "
        "trade with each other: nothing changes hands.",
        MAR,
        "Lots in the window",
    ),
    "wash_related": Definition(
        "wash trades between related accounts",
        "Matched orders of participants that belong to one owner trade with each other.",
        MAR,
        "Lots in the window",
    ),
    "wash_pair": Definition(
        "reciprocal trades",
        "Two owners trade the same lots at about the same price to and fro, in matched orders, "
        "more often than their other trading would have them meet.",
        MAR,
        "Lots in the window",
    ),
    "wash_ring": Definition(
        "circular trades",
        "The same lots go round three or more owners in matched orders, back to where they began.",
        MAR,
        "Lots in the window",
    ),
    "momentum_ignition": Definition(
        "momentum ignition",
        "Aggressive orders of one owner move the price within a minute, and most of the aggression "
        "is its own; then it trades the other way at a gain.",
        MAR,
        "Lots reversed",
    ),
    "ramping": Definition(
        "ramping",
        "Trade after trade of one owner moves the price the same way over minutes; most of the "
        "market's moves that way are its own.",
        MAR,
        "Lots taken",
    ),
    "marking_close": Definition(
        "marking the close",
        "In the last minute of continuous trading one owner's aggressive orders make the closing "
        "price; it did little before.",
        MAR,
        "Lots taken",
    ),
    "marking_open": Definition(
        "marking the open",
        "In the first minute of continuous trading one owner's aggressive orders move the price.",
        MAR,
        "Lots taken",
    ),
    "cross_market": Definition(
        "manipulation across linked instruments",
        "An owner moves the price of one instrument with few lots and trades many in a linked one "
        "at the moved price.",
        MAR,
        "Lots in the linked instrument",
    ),
    "front_running": Definition(
        "front running",
        "A broker that knew of a client's order trades ahead of it on the same side, and "
        "reverses the position after it.",
        "Regulation (EU) 596/2014 art. 7(1)(d), 8 and 14; FINRA Rule 5270",
        "Lots taken ahead",
    ),
    "insider_timing": Definition(
        "trading as if a client's order were known",
        "A participant trades far more than it commonly does, on the client's side right before "
        "the client's order is entered, and reverses the position at a gain.",
        "Regulation (EU) 596/2014 art. 8 and 14",
        "Lots taken ahead",
    ),
    "quote_stuffing": Definition(
        "quote stuffing",
        "Bursts of orders that are cancelled within the second and do not trade.",
        MAR,
        "Orders entered",
    ),
    "excessive_cancels": Definition(
        "fleeting orders",
        "Hundreds of orders cancelled before any participant could have traded with them, and "
        "hardly a trade.",
        MAR,
        "Orders cancelled at once",
    ),
    "order_to_trade": Definition(
        "order-to-trade ratio",
        "Orders, amendments and cancels a trade above what the venue allows.",
        "Delegated Regulation (EU) 2017/566 (RTS 9), art. 3",
        "Messages",
    ),
    "suspicious_volume": Definition(
        "volume out of the common",
        "In five minutes a participant trades twenty times what it commonly does, and a large part "
        "of the market.",
        "project requirement; a prompt to look, not a pattern of the law",
        "Lots",
    ),
    "negative_balance": Definition(
        "negative balance",
        "Money of a participant below zero: risk should not have let this happen.",
        "project requirement",
    ),
    "moving_pegs": Definition(
        "moving others' pegged orders",
        "A small order moves the price of other owners' pegged orders. Its owner trades far more "
        "lots with pegged orders, at a better price than the mid before, and within seconds the "
        "small order is gone; repeatedly.",
        MAR,
        "Lots traded with pegged orders",
    ),
    "called_trades": Definition(
        "trades around a margin call",
        "A contract trades far from its mark while a participant is liquidated in it, so value "
        "goes to another account and others pay for it. Or a participant loses by such a trade "
        "shortly before its own liquidation.",
        f"{MAR}; the venue's rules for defaults",
    ),
    "off_book_price": Definition(
        "trades off the book far from it",
        "Two owners trade off the book at a price far beyond the book's best one, so value goes "
        "from one account to the other.",
        MAR,
    ),
}
