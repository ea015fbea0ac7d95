"""Every message of the order-entry protocols, once: SoupBinTCP 3.00 and 4.10, OUCH 4.2 and 5.0.

Sources: Nasdaq's specifications of these protocols.
"""

from openoutcry.wire.message import Field, Message, Option, Protocol


def _alpha(name: str, size: int, doc: str) -> Field:
    return Field(name, "alpha", doc, size)


def _digits(name: str, size: int, doc: str) -> Field:
    return Field(name, "digits", doc, size)


_LOGIN = (
    _alpha("username", 6, "the session's name; case does not matter"),
    _alpha("password", 10, "case does not matter to the protocol; to us it does"),
    _digits("session", 10, "session asked for, blank: the current one"),
    _digits("sequence", 20, "next sequence number wanted; 0: only what is new"),
)

SOUPBIN = Protocol(
    "SoupBinTCP 3.00 and 4.10",
    client=(
        Message("login_request", "L", 47, "Asks for a session (3.00).", _LOGIN),
        Message(
            "login_request_4_10",
            "L",
            52,
            "Asks for a session and says how long the client waits for a heartbeat (4.10).",
            (*_LOGIN, _digits("timeout_ms", 5, "of the client's heartbeat, ms")),
        ),
        Message("unsequenced_data", "U", 1, "An application message of the client's.", ()),
        Message("client_heartbeat", "R", 1, "Nothing else was sent for a second.", ()),
        Message("logout_request", "O", 1, "The client wants to end the connection.", ()),
        Message("client_debug", "+", 1, "Text for people; ignored.", ()),
    ),
    server=(
        Message(
            "login_accepted",
            "A",
            31,
            "The session, and the number of the next sequenced message.",
            (
                _digits("session", 10, "the session's number"),
                _digits("sequence", 20, "number of the first message that will come"),
            ),
        ),
        Message(
            "login_rejected",
            "J",
            2,
            "The connection is closed after this.",
            (_alpha("reason", 1, "A: not authorised; S: session not available"),),
        ),
        Message("sequenced_data", "S", 1, "An application message; it has the next number.", ()),
        Message("server_heartbeat", "H", 1, "Nothing else was sent for a second.", ()),
        Message("end_of_session", "Z", 1, "The day's stream is over.", ()),
        Message("server_debug", "+", 1, "Text for people; to be ignored.", ()),
    ),
)
PACKET_LENGTH_BYTES = 2
"""Before each SoupBinTCP packet: its length without these two, big-endian."""

_TIMESTAMP = Field("timestamp", "u64", "ns since midnight")
_TOKEN = _alpha("token", 14, "the client's name of the order: letters, digits, spaces")
_SIDE = _alpha("side", 1, "B buy, S sell, T sell short, E sell short exempt")
_SHARES = Field("shares", "u32", "quantity")
_SYMBOL = _alpha("symbol", 8, "instrument")
_PRICE4 = Field("price", "price4", "limit price; 0x7FFFFFFF market")
_TIF42 = Field("time_in_force", "u32", "seconds; 0 IOC, 99998 and 99999 the day")
_FIRM = _alpha("firm", 4, "firm")
_DISPLAY = _alpha("display", 1, "Y A Z shown, N n hidden, P L post-only, M m midpoint peg")
_CAPACITY = _alpha("capacity", 1, "A agency, P principal, R riskless, O other")
_ISO = _alpha("iso", 1, "intermarket sweep: Y or N; no effect here")
_MIN42 = Field("min_qty", "u32", "least quantity to trade on arrival; 0 none")
_CROSS = _alpha("cross", 1, "N none, O opening, C closing")
_CUSTOMER = _alpha("customer", 1, "R retail, N not, space: the port's default")
_REFERENCE = Field("reference", "u64", "number of the order in market data")
_STATE = _alpha("state", 1, "L live, D dead")
_BBO = _alpha("bbo_weight", 1, "space: not said")
_LIQUIDITY = _alpha(
    "liquidity", 1, "A J k added (shown, hidden, midpoint), R removed, O C H in an auction"
)
_MATCH = Field("match", "u64", "number of the trade, the same for both sides")
_CANCEL_REASON = _alpha(
    "reason", 1, "U user, I IOC, T time over, S supervisory, Q self-trade, Z system"
)

OUCH42 = Protocol(
    "OUCH 4.2",
    client=(
        Message(
            "enter_order",
            "O",
            49,
            "A new order.",
            (
                _TOKEN,
                _SIDE,
                _SHARES,
                _SYMBOL,
                _PRICE4,
                _TIF42,
                _FIRM,
                _DISPLAY,
                _CAPACITY,
                _ISO,
                _MIN42,
                _CROSS,
                _CUSTOMER,
            ),
        ),
        Message(
            "replace_order",
            "U",
            47,
            "Another price, quantity or time; always at the back of the queue unless only less.",
            (
                _alpha("token", 14, "of the open order"),
                _alpha("new_token", 14, "its name from now on"),
                Field("shares", "u32", "quantity liable, with what has been executed already"),
                _PRICE4,
                _TIF42,
                _DISPLAY,
                _ISO,
                _MIN42,
            ),
        ),
        Message(
            "cancel_order",
            "X",
            19,
            "Less quantity, or none; the order keeps its place.",
            (_TOKEN, Field("shares", "u32", "new intended size, with what was executed; 0 none")),
        ),
        Message(
            "modify_order",
            "M",
            20,
            "Another kind of sale, or less quantity; the order keeps its place.",
            (_TOKEN, _SIDE, Field("shares", "u32", "quantity liable, with what was executed")),
        ),
    ),
    server=(
        Message(
            "system_event",
            "S",
            10,
            "The day begins or ends.",
            (_TIMESTAMP, _alpha("event", 1, "S start of day, E end of day")),
        ),
        Message(
            "accepted",
            "A",
            66,
            "The order is in; price and quantity as accepted.",
            (
                _TIMESTAMP,
                _TOKEN,
                _SIDE,
                _SHARES,
                _SYMBOL,
                _PRICE4,
                _TIF42,
                _FIRM,
                _DISPLAY,
                _REFERENCE,
                _CAPACITY,
                _ISO,
                _MIN42,
                _CROSS,
                _STATE,
                _BBO,
            ),
        ),
        Message(
            "replaced",
            "U",
            80,
            "The order has the new token, price and open quantity.",
            (
                _TIMESTAMP,
                _alpha("token", 14, "the new token"),
                _SIDE,
                Field("shares", "u32", "open quantity"),
                _SYMBOL,
                _PRICE4,
                _TIF42,
                _FIRM,
                _DISPLAY,
                _REFERENCE,
                _CAPACITY,
                _ISO,
                _MIN42,
                _CROSS,
                _STATE,
                _alpha("previous_token", 14, "the token that it replaced"),
                _BBO,
            ),
        ),
        Message(
            "canceled",
            "C",
            28,
            "So much of the order is gone.",
            (_TIMESTAMP, _TOKEN, Field("shares", "u32", "taken off"), _CANCEL_REASON),
        ),
        Message(
            "aiq_canceled",
            "D",
            37,
            "So much of the order is gone because it would have traded with one's own.",
            (
                _TIMESTAMP,
                _TOKEN,
                Field("shares", "u32", "taken off"),
                _CANCEL_REASON,
                Field("prevented", "u32", "quantity that would have traded"),
                Field("price", "price4", "at which it would have traded"),
                _LIQUIDITY,
            ),
        ),
        Message(
            "executed",
            "E",
            40,
            "The order traded.",
            (
                _TIMESTAMP,
                _TOKEN,
                Field("shares", "u32", "traded"),
                Field("price", "price4", "of the trade"),
                _LIQUIDITY,
                _MATCH,
            ),
        ),
        Message(
            "broken_trade",
            "B",
            32,
            "A trade is void.",
            (_TIMESTAMP, _TOKEN, _MATCH, _alpha("reason", 1, "E C S X")),
        ),
        Message(
            "rejected",
            "J",
            24,
            "The order was not accepted.",
            (_TIMESTAMP, _TOKEN, _alpha("reason", 1, "see the table of reasons")),
        ),
        Message(
            "cancel_pending",
            "P",
            23,
            "The cancel will be tried once the auction is over.",
            (_TIMESTAMP, _TOKEN),
        ),
        Message("cancel_rejected", "I", 23, "The order stays as it is.", (_TIMESTAMP, _TOKEN)),
        Message(
            "priority_update",
            "T",
            36,
            "The order has another place in the queue: a peg's new price, an iceberg's next slice.",
            (_TIMESTAMP, _TOKEN, _PRICE4, _DISPLAY, _REFERENCE),
        ),
        Message(
            "modified",
            "M",
            28,
            "The order was modified.",
            (_TIMESTAMP, _TOKEN, _SIDE, Field("shares", "u32", "open quantity")),
        ),
        Message(
            "executed_with_reference",
            "G",
            45,
            "The order traded at a price relative to a reference.",
            (
                _TIMESTAMP,
                _TOKEN,
                _SHARES,
                _PRICE4,
                _LIQUIDITY,
                _MATCH,
                Field("reference_price", "price4", "the reference"),
                _alpha("reference_type", 1, "I: intraday indicative value"),
            ),
        ),
    ),
)

_USER_REF = Field("user_ref", "u32", "the client's number of the message, always higher")
_ORIG_REF = Field("orig_user_ref", "u32", "number of the open order")
_QUANTITY = Field("quantity", "u32", "quantity")
_PRICE8 = Field("price", "price8", "limit price; 0x7FFFFFFF market")
_TIF50 = _alpha("time_in_force", 1, "0 day, 3 IOC, 5 extended hours (as 0), 6 GTT")
_DISPLAY50 = _alpha("display", 1, "Y A Z shown, N hidden")
_CLORDID = _alpha("clordid", 14, "the client's text, given back")
_APPENDAGE = Field("appendage_bytes", "u16", "length of the options that follow")

OUCH50 = Protocol(
    "OUCH 5.0",
    client=(
        Message(
            "enter_order",
            "O",
            47,
            "A new order; options follow.",
            (
                _USER_REF,
                _SIDE,
                _QUANTITY,
                _SYMBOL,
                _PRICE8,
                _TIF50,
                _DISPLAY50,
                _CAPACITY,
                _ISO,
                _CROSS,
                _CLORDID,
                _APPENDAGE,
            ),
        ),
        Message(
            "replace_order",
            "U",
            40,
            "Another price, quantity or time; options follow.",
            (
                _ORIG_REF,
                _USER_REF,
                Field("quantity", "u32", "liable, with what has been executed already"),
                _PRICE8,
                _TIF50,
                _DISPLAY50,
                _ISO,
                _CLORDID,
                _APPENDAGE,
            ),
        ),
        Message(
            "cancel_order",
            "X",
            9,
            "Less quantity, or none; options may follow.",
            (_USER_REF, Field("quantity", "u32", "new intended size, with what was executed")),
        ),
        Message(
            "modify_order",
            "M",
            10,
            "Another kind of sale, or less quantity; options may follow.",
            (_USER_REF, _SIDE, Field("quantity", "u32", "liable, with what was executed")),
        ),
        Message(
            "mass_cancel",
            "C",
            17,
            "Cancel all orders of the session's participant; options may follow.",
            (_USER_REF, _FIRM, _alpha("symbol", 8, "instrument; spaces: all")),
        ),
        Message(
            "disable_entry", "D", 9, "Refuse new orders; options may follow.", (_USER_REF, _FIRM)
        ),
        Message(
            "enable_entry",
            "E",
            9,
            "Accept new orders again; options may follow.",
            (_USER_REF, _FIRM),
        ),
        Message("account_query", "Q", 1, "Asks for the next number; options may follow.", ()),
    ),
    server=(
        Message(
            "system_event",
            "S",
            10,
            "The day begins or ends.",
            (_TIMESTAMP, _alpha("event", 1, "S start of day, E end of day")),
        ),
        Message(
            "accepted",
            "A",
            64,
            "The order is in; options follow.",
            (
                _TIMESTAMP,
                _USER_REF,
                _SIDE,
                _QUANTITY,
                _SYMBOL,
                _PRICE8,
                _TIF50,
                _DISPLAY50,
                _REFERENCE,
                _CAPACITY,
                _ISO,
                _CROSS,
                _STATE,
                _CLORDID,
                _APPENDAGE,
            ),
        ),
        Message(
            "replaced",
            "U",
            68,
            "The order has the new number, price and open quantity; options follow.",
            (
                _TIMESTAMP,
                _ORIG_REF,
                _USER_REF,
                _SIDE,
                Field("quantity", "u32", "open quantity"),
                _SYMBOL,
                _PRICE8,
                _TIF50,
                _DISPLAY50,
                _REFERENCE,
                _CAPACITY,
                _ISO,
                _CROSS,
                _STATE,
                _CLORDID,
                _APPENDAGE,
            ),
        ),
        Message(
            "canceled",
            "C",
            18,
            "So much of the order is gone.",
            (_TIMESTAMP, _USER_REF, Field("quantity", "u32", "taken off"), _CANCEL_REASON),
        ),
        Message(
            "aiq_canceled",
            "D",
            32,
            "So much of the order is gone because it would have traded with one's own.",
            (
                _TIMESTAMP,
                _USER_REF,
                Field("quantity", "u32", "taken off"),
                _CANCEL_REASON,
                Field("prevented", "u32", "quantity that would have traded"),
                Field("price", "price8", "at which it would have traded"),
                _LIQUIDITY,
                _alpha("strategy", 1, "what self-trade prevention does"),
            ),
        ),
        Message(
            "executed",
            "E",
            36,
            "The order traded.",
            (
                _TIMESTAMP,
                _USER_REF,
                Field("quantity", "u32", "traded"),
                Field("price", "price8", "of the trade"),
                _LIQUIDITY,
                _MATCH,
                _APPENDAGE,
            ),
        ),
        Message(
            "broken_trade",
            "B",
            36,
            "A trade is void.",
            (_TIMESTAMP, _USER_REF, _MATCH, _alpha("reason", 1, "E C S X"), _CLORDID),
        ),
        Message(
            "rejected",
            "J",
            29,
            "The order was not accepted; its number is used up.",
            (_TIMESTAMP, _USER_REF, Field("reason", "u16", "see the table of reasons"), _CLORDID),
        ),
        Message(
            "cancel_pending",
            "P",
            13,
            "The cancel will be tried once the auction is over.",
            (_TIMESTAMP, _USER_REF),
        ),
        Message("cancel_rejected", "I", 13, "The order stays as it is.", (_TIMESTAMP, _USER_REF)),
        Message(
            "priority_update",
            "T",
            30,
            "The order has another place in the queue: a peg's new price.",
            (_TIMESTAMP, _USER_REF, _PRICE8, _DISPLAY50, _REFERENCE),
        ),
        Message(
            "modified",
            "M",
            18,
            "The order was modified.",
            (_TIMESTAMP, _USER_REF, _SIDE, Field("quantity", "u32", "open quantity")),
        ),
        Message(
            "restated",
            "R",
            16,
            "What the order shows is another; options follow.",
            (_TIMESTAMP, _USER_REF, _alpha("reason", 1, "R the next slice is shown"), _APPENDAGE),
        ),
        Message(
            "mass_cancel_response",
            "X",
            25,
            "The mass cancel is done.",
            (_TIMESTAMP, _USER_REF, _FIRM, _SYMBOL),
        ),
        Message(
            "disable_response",
            "G",
            17,
            "New orders are refused from here on.",
            (_TIMESTAMP, _USER_REF, _FIRM),
        ),
        Message(
            "enable_response",
            "K",
            17,
            "New orders are accepted again.",
            (_TIMESTAMP, _USER_REF, _FIRM),
        ),
        Message(
            "account_response",
            "Q",
            13,
            "The lowest number that is free.",
            (_TIMESTAMP, Field("next_user_ref", "u32", "next number")),
        ),
    ),
)


OPTIONS50 = (
    Option(1, Field("secondary_reference", "u64", "number in market data, of what is shown")),
    Option(2, _FIRM, enters=True),
    Option(3, Field("min_qty", "u32", "least quantity to trade on arrival"), True, True),
    Option(4, _CUSTOMER, True, True),
    Option(5, Field("max_floor", "u32", "quantity to show"), True, True),
    Option(
        6,
        _alpha("price_type", 1, "L limit, P market peg, R primary peg, M m midpoint peg"),
        True,
        True,
    ),
    Option(7, Field("peg_offset", "i32", "four decimals, more aggressive is positive"), True, True),
    Option(9, Field("discretion_price", "price8", "refused"), True, True),
    Option(10, _alpha("discretion_price_type", 1, "refused"), True, True),
    Option(11, Field("discretion_peg_offset", "i32", "refused"), True, True),
    Option(12, _alpha("post_only", 1, "P post-only, N not"), True, True),
    Option(13, Field("random_reserves", "u32", "refused"), True, True),
    Option(14, _alpha("route", 4, "refused"), True, True),
    Option(15, Field("expire_time", "u32", "seconds from now on, below 86,400"), True, True),
    Option(16, _alpha("trade_now", 1, "N or space; Y is refused"), True, True),
    Option(17, _alpha("handle_inst", 1, "space; every other is refused"), True, True),
    Option(18, _alpha("bbo_weight", 1, "space: not said")),
    Option(22, Field("display_quantity", "u32", "shown from here on")),
    Option(23, Field("display_price", "price8", "shown at")),
    Option(24, Field("group_id", "u16", "self-trade group: accepted, no effect"), True, True),
    Option(25, _alpha("shares_located", 1, "Y N: accepted, no effect"), True, True),
    Option(26, _alpha("locate_broker", 4, "accepted, no effect"), True, True),
    Option(27, _SIDE, replaces=True),
    Option(28, Field("user_ref_index", "u8", "0; every other is refused"), True, True),
)

PROTOCOLS = (SOUPBIN, OUCH42, OUCH50)
