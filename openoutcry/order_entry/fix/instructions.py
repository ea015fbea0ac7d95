"""What the venue does with every field of an order's message: it follows the field, takes it as
information, or refuses it.

The venue refuses, by its tag, a field that says how an order is to trade, settle or be allocated,
and that the venue does not follow.  An order whose instruction is ignored is another order than the
one that was sent.  The venue also refuses a field that its message does not have.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry.fix import words

MESSAGES = "D", "G", "F", "q", "H", "AF", "E", "K", "M"
"""Messages of orders; each has a bit, in this order."""

# Components of the standard. What only 4.2 or only 4.4 has is marked so.
_INSTRUMENT = """
    22 48 55 106 107 167 200 201 202 206 207 223 231 348 349 350 351
    """
_INSTRUMENT_42 = "205"
_INSTRUMENT_44 = """
    224 225 226 227 228 239 240 241 242 243 244 245 246 247 255 256 454 455 456 460 461 470 471 472
    541 543 667 691 762 864 865 866 867 868 873 874 875
    """
_UNDERLYINGS = """
    305 306 307 308 309 310 311 312 313 315 316 317 318 362 363 364 365 435 436 457 458 459 462 463
    542 592 593 594 595 763 810 877 878 879 882 883 884 885 886 887 888 889 941
    """
_FINANCING = "788 898 913 914 915 916 917 918 919"
_PARTIES = "447 448 452 453 523 802 803"
_QUANTITY, _QUANTITY_44 = "38 152", "468 469 516"
_TEXT = "58 354 355"
_ORDER = """
    1 11 12 13 15 18 21 40 44 54 59 60 63 64 65 77 78 79 80 99 100 110 111 114 120 121 126 168 192
    193 203 210 211 336 376 377 386 388 389 427 432
    """
_ORDER_42 = "47 76 109 204 439 440"
_ORDER_44 = """
    70 75 218 220 221 222 229 235 236 423 467 479 480 481 494 497 513 524 525 526 528 529 538 539
    544 545 581 582 583 589 590 591 625 635 640 660 661 662 663 696 697 698 699 701 711 736 761 775
    804 805 835 836 837 838 840 841 842 843 844 846 847 848 849 854 876 947
    """
_NEW, _NEW_44 = "23 81 117 140", "232 233 234"
_CHANGE, _CHANGE_44 = "37 41 66", "586"
_LIST, _LIST_44 = "66 68 69 73 352 353 390 391 394 414 415 433", "480 481 513 765 766 767 893"
"""What of a NewOrderList comes before its orders; each of those has the fields of a D."""
_OWN = f"""
    {words.ACTIVATION_SLOT} {words.TRIGGER_BY_SLOT} {words.DIRECTION_SLOT} {words.SELF_TRADE_SLOT}
    {words.SLIDE_SLOT}
    """

_ALL_ORDER = f"{_INSTRUMENT} {_QUANTITY} {_TEXT} {_ORDER}"
_ALL_44 = f"{_INSTRUMENT_44} {_UNDERLYINGS} {_FINANCING} {_PARTIES} {_QUANTITY_44} {_ORDER_44}"
_CANCEL = f"1 11 54 60 65 {_INSTRUMENT} {_QUANTITY} {_TEXT} {_CHANGE}"
_CANCEL_44 = f"""
    {_INSTRUMENT_44} {_UNDERLYINGS} {_FINANCING} {_PARTIES} {_QUANTITY_44} {_CHANGE_44}
    376 526 581 583 660 711 876 947
    """
_IDENTITY_44 = f"{_INSTRUMENT_44} {_UNDERLYINGS} 876 947"
FIELDS_44 = {
    "D": f"{_ALL_ORDER} {_ALL_44} {_NEW} {_NEW_44} {_OWN}",
    "G": f"{_ALL_ORDER} {_ALL_44} {_CHANGE} {_CHANGE_44} {_OWN}",
    "F": f"{_CANCEL} {_CANCEL_44}",
    "q": f"11 54 60 65 336 526 530 625 {_INSTRUMENT} {_IDENTITY_44} {_TEXT}",
    "H": f"1 11 37 54 65 526 583 660 711 790 {_INSTRUMENT} {_IDENTITY_44} {_PARTIES} {_FINANCING}",
    "E": f"{_LIST} {_LIST_44} {words.CONTINGENCY_SLOT}",
    "K": f"60 66 {_TEXT} 75 229",
    "M": f"66 {_TEXT}",
    "AF": f"1 54 65 336 584 585 625 660 {_INSTRUMENT} {_IDENTITY_44} {_PARTIES}",
}
"""Fields of each message of FIX 4.4, header and trailer apart."""
FIELDS_42 = {
    "D": f"{_ALL_ORDER} {_INSTRUMENT_42} {_ORDER_42} {_NEW} {_OWN}",
    "G": f"{_ALL_ORDER} {_INSTRUMENT_42} {_ORDER_42} {_CHANGE} {_OWN}",
    "F": f"{_CANCEL} {_INSTRUMENT_42} 76 109 376 377",
    "H": f"1 11 37 54 65 76 109 {_INSTRUMENT} {_INSTRUMENT_42}",
    "E": f"{_LIST} {words.CONTINGENCY_SLOT}",
    "K": f"60 66 {_TEXT}",
    "M": f"66 {_TEXT}",
}
"""The same of FIX 4.2."""

FOLLOWED = {
    1: "Account, returned as sent",
    11: "ClOrdID",
    18: "ExecInst",
    38: "OrderQty",
    40: "OrdType",
    41: "OrigClOrdID",
    44: "Price",
    54: "Side",
    55: "Symbol",
    59: "TimeInForce",
    60: "TransactTime",
    66: "ListID",
    68: "TotNoOrders",
    73: "NoOrders",
    99: "StopPx",
    110: "MinQty",
    111: "MaxFloor",
    126: "ExpireTime",
    152: "CashOrderQty",
    211: "PegOffsetValue",
    432: "ExpireDate",
    530: "MassCancelRequestType",
    584: "MassStatusReqID",
    585: "MassStatusReqType",
    836: "PegOffsetType",
    words.ACTIVATION_SLOT: "TriggerPrice: where a trailing stop begins to trail",
    words.TRIGGER_BY_SLOT: "TriggerPriceType",
    words.DIRECTION_SLOT: "TriggerPriceDirection",
    words.CONTINGENCY_SLOT: "ContingencyType",
    words.SELF_TRADE_SLOT: "SelfMatchPreventionInstruction",
    words.SLIDE_SLOT: "our own: priced one step short of trading",
}
INFORMATION = {
    21: "HandlInst: orders are handled by the book alone",
    37: "OrderID: the order is found by its ClOrdID",
    47: "Rule80A, of 4.2: the capacity",
    58: "Text",
    75: "TradeDate",
    76: "ExecBroker, of 4.2: a party",
    106: "Issuer",
    107: "SecurityDesc",
    109: "ClientID, of 4.2: a party",
    229: "TradeOriginationDate",
    348: "EncodedIssuerLen",
    349: "EncodedIssuer",
    350: "EncodedSecurityDescLen",
    351: "EncodedSecurityDesc",
    354: "EncodedTextLen",
    355: "EncodedText",
    377: "SolicitedFlag",
    447: "PartyIDSource",
    448: "PartyID",
    452: "PartyRole",
    453: "NoPartyIDs",
    523: "PartySubID",
    526: "SecondaryClOrdID",
    528: "OrderCapacity",
    529: "OrderRestrictions",
    581: "AccountType",
    582: "CustOrderCapacity",
    586: "OrigOrdModTime",
    635: "ClearingFeeIndicator",
    660: "AcctIDSource",
    790: "OrdStatusReqID",
    802: "NoPartySubIDs",
    803: "PartySubIDType",
}
"""They say from whom an order comes, and why; nothing of how it trades."""
ONLY_AS = {
    63: b"0",
    114: b"N",
    121: b"N",
    394: b"3",
    423: b"2",
    433: b"1",
    835: b"0",
    854: b"0",
}
"""Fields that may have these characters alone.  They say what the venue does anyway: regular
settlement, no locate, no currency conversion, a list without bidding that works at once, prices per
unit, pegs that move, quantities in units."""
NOT_OF_AF = frozenset({1, 54, 55})
"""What would choose among the orders of a mass status request: it is always for all."""
FIRST_42 = len(MESSAGES)
DEFINED = 2 * FIRST_42
VALUES = 2 * DEFINED
ALL_BITS = (1 << DEFINED) - 1


def tags_of(text: str) -> frozenset[int]:
    """Return the tags of a list above."""
    return frozenset(map(int, text.split()))


def table() -> npt.NDArray[np.int64]:
    """Return a word for each tag, for kernels.

    The first bits, one a message, say in which messages of FIX 4.4 the venue takes the field with
    every value; those from FIRST_42 on the same of 4.2.  As many from DEFINED on say which messages
    have the field at all.  The bytes from VALUES on are the characters of ONLY_AS."""
    rows: npt.NDArray[Any] = np.zeros(words.TAGS, np.int64)
    taken = FOLLOWED.keys() | INFORMATION.keys()
    for first, fields in ((0, FIELDS_44), (FIRST_42, FIELDS_42)):
        for name, text in fields.items():
            bit = first + MESSAGES.index(name)
            for tag in tags_of(text):
                rows[tag] |= 1 << DEFINED + bit
                if tag in taken - (NOT_OF_AF if name == "AF" else frozenset()):
                    rows[tag] |= 1 << bit
    everywhere = [0, *words.HEADER_TAGS, *words.TRAILER_TAGS]
    rows[everywhere] |= ALL_BITS | ALL_BITS << DEFINED
    for tag, values in ONLY_AS.items():
        for place, value in enumerate(values):
            rows[tag] |= value << VALUES + 8 * place
    return rows
