"""Every message of the market-data protocols, once: ITCH 5.0, MoldUDP64 and GLIMPSE 5.0.

Sources: Nasdaq's specifications "TotalView-ITCH 5.0", "MoldUDP64 1.00" and "GLIMPSE 5.0".
"""

from openoutcry.wire.message import Field, Message, Protocol

SYMBOL_BYTES = 32
"""Size of a symbol in the order book directory."""


def _alpha(name: str, size: int, doc: str) -> Field:
    return Field(name, "alpha", doc, size)


_HEADER = (
    Field("locate", "u16", "number of the instrument, from 1; 0: the whole market"),
    Field("tracking", "u16", "0"),
    Field("timestamp", "u48", "ns since midnight"),
)
_STOCK = _alpha("stock", 8, "instrument")
_REFERENCE = Field("reference", "u64", "number of the order")
_SIDE = _alpha("side", 1, "B buy, S sell")
_SHARES = Field("shares", "u32", "displayed quantity")
_PRICE = Field("price", "price4", "price")
_MATCH = Field("match", "u64", "number of the trade")
_CROSS = _alpha("cross_type", 1, "O opening, C closing, H after a halt or a pause")


def _message(name: str, kind: str, size: int, doc: str, *fields: Field) -> Message:
    return Message(name, kind, size, doc, (*_HEADER, *fields))


ITCH50 = Protocol(
    "ITCH 5.0",
    client=(),
    server=(
        _message(
            "system_event",
            "S",
            12,
            "The day's hours.",
            _alpha(
                "event",
                1,
                "O messages begin, S system hours begin, Q market hours begin, "
                "M market hours end, E system hours end, C messages end",
            ),
        ),
        _message(
            "stock_directory",
            "R",
            39,
            "An instrument and its locate.",
            _STOCK,
            _alpha("market_category", 1, "space: not available"),
            _alpha("financial_status", 1, "space: not available"),
            Field("round_lot", "u32", "smallest step of a quantity"),
            _alpha("round_lots_only", 1, "Y: quantities are multiples of it, N: it is 1"),
            _alpha("classification", 1, "C"),
            _alpha("sub_type", 2, "Z: not applicable"),
            _alpha("authenticity", 1, "P: live"),
            _alpha("short_sale_threshold", 1, "space: not available"),
            _alpha("ipo", 1, "N"),
            _alpha("luld_tier", 1, "space: not applicable"),
            _alpha("etp", 1, "N"),
            Field("etp_leverage", "u32", "0"),
            _alpha("inverse", 1, "N"),
        ),
        _message(
            "trading_action",
            "H",
            25,
            "An instrument's trading state.",
            _STOCK,
            _alpha(
                "state",
                1,
                "T trading, Q quotations only (a call phase), P paused "
                "(or a volatility auction), H halted or closed",
            ),
            _alpha("reserved", 1, "space"),
            _alpha(
                "reason",
                4,
                "the phase (CLSD PREO OPEN CONT VOLA HALT CLOS LAST), or why it is "
                "halted. LUDP T5: paused; T7: called after that; MWC1 MWC2 MWC3 MWCQ: the "
                "market-wide breaker; O1: operational; else as the operator said",
            ),
        ),
        _message(
            "reg_sho",
            "Y",
            20,
            "Short-sale price test; not sent.",
            _STOCK,
            _alpha("action", 1, "0 none"),
        ),
        _message(
            "decline_levels",
            "V",
            35,
            "The levels of the market-wide breaker.",
            *(
                Field(f"level{k}", "u64", f"the index at level {k}, eight decimals; 0: it is off")
                for k in (1, 2, 3)
            ),
        ),
        _message(
            "decline_breached",
            "W",
            12,
            "A level of the market-wide breaker is breached.",
            _alpha("level", 1, "1, 2 or 3"),
        ),
        _message(
            "auction_collar",
            "J",
            35,
            "The limits of an auction's price, after a pause or when the auction was extended.",
            _STOCK,
            Field("reference_price", "price4", "middle of the limits"),
            Field("upper", "price4", "highest price"),
            Field("lower", "price4", "lowest price"),
            Field("extension", "u32", "how often it was put off"),
        ),
        _message(
            "operational_halt",
            "h",
            21,
            "This market halts an instrument, or ends its halt.",
            _STOCK,
            _alpha("market", 1, "Q"),
            _alpha("action", 1, "H halted, T trading"),
        ),
        _message(
            "add_order",
            "A",
            36,
            "An order is displayed, at the back of its price.",
            _REFERENCE,
            _SIDE,
            _SHARES,
            _STOCK,
            _PRICE,
        ),
        _message(
            "add_order_attributed",
            "F",
            40,
            "As A, with a name; not sent: no participant is named.",
            _REFERENCE,
            _SIDE,
            _SHARES,
            _STOCK,
            _PRICE,
            _alpha("attribution", 4, "whose"),
        ),
        _message(
            "order_executed",
            "E",
            31,
            "A displayed order traded at its price.",
            _REFERENCE,
            Field("shares", "u32", "traded"),
            _MATCH,
        ),
        _message(
            "order_executed_with_price",
            "C",
            36,
            "A displayed order traded at another price.",
            _REFERENCE,
            Field("shares", "u32", "no longer displayed"),
            _MATCH,
            _alpha("printable", 1, "N: counted by a Q message, Y: counts"),
            _PRICE,
        ),
        _message(
            "order_cancel",
            "X",
            23,
            "Less is displayed of an order; it keeps its place.",
            _REFERENCE,
            Field("shares", "u32", "no longer displayed"),
        ),
        _message("order_delete", "D", 19, "An order is no longer displayed.", _REFERENCE),
        _message(
            "order_replace",
            "U",
            35,
            "An order has a new number, at the back of its price.",
            Field("reference", "u64", "number that the order had"),
            Field("new_reference", "u64", "number from now on"),
            _SHARES,
            _PRICE,
        ),
        _message(
            "trade",
            "P",
            44,
            "A trade with an order that was not displayed, or off the book.",
            Field("reference", "u64", "0; 1: off the book"),
            _alpha("side", 1, "B whatever the side was"),
            Field("shares", "u32", "traded"),
            _STOCK,
            _PRICE,
            _MATCH,
        ),
        _message(
            "cross_trade",
            "Q",
            40,
            "The volume of an auction, all of it.",
            Field("shares", "u64", "traded; 0: nothing"),
            _STOCK,
            Field("price", "price4", "the auction's price"),
            _MATCH,
            _CROSS,
        ),
        _message("broken_trade", "B", 19, "A trade is void.", _MATCH),
        _message(
            "net_order_imbalance",
            "I",
            50,
            "What an auction would trade now.",
            Field("paired", "u64", "quantity that would trade"),
            Field("imbalance", "u64", "quantity that would be left"),
            _alpha("direction", 1, "B S of the imbalance, N none, O too few orders"),
            _STOCK,
            Field("far_price", "price4", "price of the auction"),
            Field("near_price", "price4", "price of the auction"),
            Field("reference_price", "price4", "price of the auction"),
            _CROSS,
            _alpha("variation", 1, "L near and reference price are the same, space: no price"),
        ),
        _message(
            "order_book_directory",
            "o",
            53,
            "After R, of an instrument that R cannot say in full: its symbol, and the decimals of "
            "its prices. The fields are those of Nasdaq Nordic's order book directory; ITCH 5.0 "
            "has no such message.",
            _STOCK,
            _alpha("symbol", SYMBOL_BYTES, "symbol outside the eight characters of stock"),
            Field("price_decimals", "u16", "decimals of every price4 of this instrument"),
        ),
    ),
)

FRAME_BYTES = 2
"""Before each message in a packet of MoldUDP64, in a file and in the store: its length, without
these two, big-endian."""

MOLD_SESSION_BYTES = 10
MOLD_SEQUENCE_AT, MOLD_COUNT_AT, MOLD_HEADER_BYTES = 10, 18, 20
"""A packet of MoldUDP64: the session's name, the number of its first message, how many there are.
A request is the same 20 bytes."""
MOLD_HEARTBEAT, MOLD_END = 0, 0xFFFF
"""Counts with a special meaning: no news, and the end of the session; the number is the next."""

GLIMPSE = Protocol(
    "GLIMPSE 5.0",
    client=(),
    server=(
        Message(
            "end_of_snapshot",
            "G",
            21,
            "The snapshot, in messages of ITCH 5.0, is complete.",
            (Field("sequence", "digits", "number of the first live message not in it", 20),),
        ),
    ),
)

PROTOCOLS = (ITCH50, GLIMPSE)
