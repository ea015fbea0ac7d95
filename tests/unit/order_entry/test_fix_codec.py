"""The FIX kernels read and write what the plain reference does: frames, fields, numbers, times, the
messages of orders in every form good and bad, and the reports that answer them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.order_entry import apply, rows, session, session_region
from openoutcry.order_entry.faults import Fault
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import resolve as resolving
from openoutcry.order_entry.fix import scan, text
from openoutcry.order_entry.fix.refusals import REFUSALS, Refusal
from openoutcry.order_entry.risk_reasons import FIGURELESS, WORDS
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import (
    OPEN_KNOWN,
    REDUCE_ONLY,
    ErrorBit,
    EventKind,
    OrderType,
    Reason,
    TimeInForce,
)
from openoutcry.wire.words import REASON_TEXTS, RULES
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.fix_codec import NOW_NS, make_event
from tests.support.order_entry.fix_codec_shared import (
    BASE,
    CODEC,
    HEADER,
    NEW,
    REPORTED,
    body_fields,
    check_decoding,
    messages,
    order_message,
    refused,
)


def new_order(**changes):
    """A D with other fields (``t44="1"``), or without them (None)."""
    return order_message("D", NEW | {int(name[1:]): value for name, value in changes.items()})


# Numbers and times


@given(st.text("0123456789.-+ e", max_size=22), st.integers(0, 9))
def test_a_decimal_is_exact_or_refused(written, decimals):
    """It is the ticks that it says, or it is not a number, or it is not exact: never rounded."""
    data = np.frombuffer(written.encode() + bytes(64), np.uint8)
    got = text.read_decimal(data.ctypes.data, len(written), decimals)
    try:
        wanted = reference.decimal(written, decimals, Refusal.PRICE, 44)
    except reference.Rejected:
        assert got == text.BAD
    except reference.Refused:
        assert got in (text.INEXACT, text.TOO_LARGE)
    else:
        assert got == wanted


@given(st.integers(-(2**62), 2**62), st.integers(0, 9))
def test_a_price_is_read_as_it_was_written(ticks, decimals):
    data = np.zeros(64 + 64, np.uint8)
    size = text.put_decimal(data.ctypes.data, ticks, decimals) - data.ctypes.data
    assert data[:size].tobytes().decode() == reference.price_text(ticks, decimals)
    assert text.read_decimal(data.ctypes.data, size, decimals) == ticks


@given(st.integers(0, 292 * 365 * 86_400 * 10**9))
def test_a_time_is_read_as_it_was_written(ns):
    data, cache = np.zeros(128, np.uint8), np.array([-1, 0])
    size = text.put_timestamp(data.ctypes.data, ns, cache.ctypes.data) - data.ctypes.data
    seconds, rest = divmod(ns, 10**9)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")
    assert data[:size].tobytes().decode() == f"{stamp}.{rest // 10**6:03d}"
    assert text.read_timestamp(data.ctypes.data, size) == ns // 10**6 * 10**6


TIMES = st.from_regex(
    r"[12][09][0-9]{2}[01][0-9][0-3][0-9]-[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,9})?",
    fullmatch=True,
)


@given(TIMES | st.text("0123456789-:.", max_size=28))
def test_a_time_that_is_invalid_is_seen(written):
    data = np.frombuffer(written.encode("latin-1", "replace") + bytes(64), np.uint8)
    got = text.read_timestamp(data.ctypes.data, len(written))
    try:
        assert got == reference.timestamp(written)
    except ValueError:
        assert got == text.BAD


@given(st.binary(max_size=3000))
def test_the_checksum_is_the_sum_of_the_bytes(data):
    memory = np.frombuffer(data + bytes(64), np.uint8)
    assert text.byte_sum(memory.ctypes.data, len(data)) == sum(data) % 256


@given(messages())
def test_fields_are_found_as_the_reference_finds_them(data):
    try:
        wanted = reference.parse(data)
    except reference.Garbled:
        assert CODEC.parse(data) is None
        return
    fields, error = wanted
    read = {t: v for t, v in fields.items() if 0 < t <= 2964 or t == reference.SLIDE_TAG}
    assert CODEC.parse(data) == (read, error)


def test_a_check_sum_follows_the_end_of_a_field():
    """The check sum would otherwise be a part of a field that does not end before it."""
    data = bytearray(reference.message([(35, "0")]))
    data[data.index(b"\x0110=")] = ord("1")
    data[-4:-1] = reference.checksum(bytes(data[:-7]))
    with pytest.raises(reference.Garbled):
        reference.parse(bytes(data))
    assert CODEC.parse(bytes(data)) is None


def test_a_data_field_may_hold_anything():
    """RawData is as long as RawDataLength says, ends of fields in it included."""
    raw = b"a\x0110=000\x01b" * 20
    data = reference.message([*HEADER, (95, str(len(raw))), (96, raw), (58, "after")])
    fields, error = CODEC.parse(data)
    assert (fields[96], fields[58], error) == (raw.decode(), "after", None)
    wrong = reference.message([*HEADER, (95, str(len(raw) - 1)), (96, raw), (58, "after")])
    assert CODEC.parse(wrong)[1] == (5, "95")


def test_a_message_that_never_ends_is_a_fault():
    assert CODEC.frame(b"8=FIX.4.4\x019=99999\x0135=D\x01") == Fault.OVERSIZE
    endless = b"8=FIX.4.4\x019=5\x0135=D\x0158=" + b"A" * scan.MAX_MESSAGE
    assert CODEC.frame(endless) == Fault.OVERSIZE
    assert CODEC.frame(endless[:1000]) == 0


CASES = {
    "limit": ({}, OrderType.LIMIT, TimeInForce.DAY, 0),
    "market": ({"t40": "1", "t44": None}, OrderType.MARKET, TimeInForce.DAY, 0),
    "post only": ({"t18": "6"}, OrderType.POST_ONLY, TimeInForce.DAY, 0),
    "post only, sliding": (
        {"t18": "6", "t5550": "Y"}, OrderType.POST_ONLY_SLIDE, TimeInForce.DAY, 0,
    ),
    "post only, sliding, good till date": (
        {"t18": "6", "t5550": "Y", "t59": "6", "t126": "20270101-00:00:00"},
        OrderType.POST_ONLY_SLIDE, TimeInForce.GTD, 1_798_761_600 * 10**9,
    ),
    "post only, not sliding": (
        {"t18": "6", "t5550": "N"}, OrderType.POST_ONLY, TimeInForce.DAY, 0,
    ),
    "all or none": ({"t18": "G"}, OrderType.ALL_OR_NONE, TimeInForce.DAY, 0),
    "iceberg": ({"t111": "10"}, OrderType.ICEBERG, TimeInForce.DAY, 10),
    "hidden": ({"t111": "0"}, OrderType.HIDDEN, TimeInForce.DAY, 0),
    "minimum": ({"t110": "10", "t59": "3"}, OrderType.MIN_QTY, TimeInForce.IOC, 10),
    "market to limit": ({"t40": "K", "t44": None}, OrderType.MARKET_TO_LIMIT, TimeInForce.DAY, 0),
    "stop": ({"t40": "3", "t99": "12.50", "t44": None}, OrderType.STOP, TimeInForce.DAY, 1250),
    "stop limit": (
        {"t40": "4", "t99": "12.50", "t59": "1"}, OrderType.STOP_LIMIT, TimeInForce.GTC, 1250,
    ),
    "stop with its own direction": (
        {"t40": "3", "t99": "12.50", "t1109": "U", "t44": None},
        OrderType.STOP, TimeInForce.DAY, 1250,
    ),
    "take-profit": (
        {"t40": "3", "t99": "12.50", "t1109": "D", "t44": None},
        OrderType.TAKE_PROFIT, TimeInForce.DAY, 1250,
    ),
    "take-profit with a limit, to sell": (
        {"t40": "4", "t99": "12.50", "t1109": "U", "t54": "2", "t59": "1"},
        OrderType.TAKE_PROFIT_LIMIT, TimeInForce.GTC, 1250,
    ),
    "reduce-only": ({"t18": "E"}, OrderType.LIMIT, TimeInForce.DAY | REDUCE_ONLY, 0),
    "reduce-only post-only": (
        {"t18": "6 E"}, OrderType.POST_ONLY, TimeInForce.DAY | REDUCE_ONLY, 0,
    ),
    "midpoint": ({"t40": "P", "t18": "M"}, OrderType.PEG_MIDPOINT, TimeInForce.DAY, 0),
    "market peg": (
        {"t40": "P", "t18": "P", "t211": "-0.02"}, OrderType.PEG_MARKET, TimeInForce.DAY, -2,
    ),
    "primary peg, to sell": (
        {"t40": "P", "t18": "R", "t211": "-0.02", "t54": "2"},
        OrderType.PEG_PRIMARY, TimeInForce.DAY, 2,
    ),
    "trailing stop": (
        {"t40": "P", "t18": "a", "t211": "-0.25", "t54": "2", "t44": None},
        OrderType.TRAILING_STOP, TimeInForce.DAY, 25,
    ),
    "trailing stop in basis points": (
        {"t40": "P", "t18": "a", "t211": "50", "t836": "1", "t44": None},
        OrderType.TRAILING_STOP_BPS, TimeInForce.DAY, 50,
    ),
    "trailing stop limit": (
        {"t40": "P", "t18": "a", "t211": "0.25"},
        OrderType.TRAILING_STOP_LIMIT, TimeInForce.DAY, 25,
    ),
    "trailing stop limit in basis points": (
        {"t40": "P", "t18": "a", "t211": "50", "t836": "1"},
        OrderType.TRAILING_STOP_LIMIT_BPS, TimeInForce.DAY, 50,
    ),
    "post-only stop limit": (
        {"t40": "4", "t18": "6", "t99": "12.50"},
        OrderType.POST_ONLY_STOP_LIMIT, TimeInForce.DAY, 1250,
    ),
    "market for a budget": (
        {"t40": "1", "t152": "1000.25", "t59": "3", "t44": None},
        OrderType.MARKET_BUDGET, TimeInForce.IOC, 100_025,
    ),
    "limit for a budget, whole": (
        {"t152": "1000", "t59": "4"}, OrderType.LIMIT_BUDGET, TimeInForce.FOK, 100_000,
    ),
    "good till date": (
        {"t59": "6", "t126": "20270101-00:00:00"}, OrderType.LIMIT, TimeInForce.GTD,
        1_798_761_600 * 10**9,
    ),
    "good till the end of a day": (
        {"t59": "6", "t432": "20261231"}, OrderType.LIMIT, TimeInForce.GTD, 1_798_761_600 * 10**9,
    ),
    "fill or kill": ({"t59": "4"}, OrderType.LIMIT, TimeInForce.FOK, 0),
    "at the opening": ({"t59": "2"}, OrderType.LIMIT, TimeInForce.AT_OPEN, 0),
    "at the close": ({"t59": "7"}, OrderType.LIMIT, TimeInForce.AT_CLOSE, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_order_type_can_be_said(case):
    """The table of docs/fix.md, row by row."""
    changes, order_type, tif, aux = CASES[case]
    order, metadata = CODEC.decode(new_order(**changes))
    assert metadata["refused"] == 0
    assert (order["order_type"], order["time_in_force"], order["aux"]) == (order_type, tif, aux)
    check_decoding(new_order(**changes))


@pytest.mark.parametrize("written", ["12.3", "12.30", "012.300", "12.3000000"])
def test_however_a_price_is_written_it_is_one_level(written):
    order, metadata = CODEC.decode(new_order(t44=written))
    assert (metadata["refused"], order["price_ticks"]) == (0, 1230)
    check_decoding(new_order(t44=written))


@pytest.mark.parametrize(
    "changes",
    [{}, {"t18": "G"}, {"t18": "6", "t111": "0"}, {"t40": "4", "t18": "6", "t99": "12.50"}],
    ids=str,
)
def test_only_a_post_only_order_slides(changes):
    _, metadata = CODEC.decode(new_order(t5550="Y", **changes))
    assert metadata["refused"] == Refusal.UNSUPPORTED
    check_decoding(new_order(t5550="Y", **changes))


def test_a_slide_is_a_yes_or_a_no():
    data = new_order(t18="6", t5550="X")
    with pytest.raises(reference.Rejected):
        reference.Decoder({}).decode(reference.parse(data)[0])
    check_decoding(data)


@pytest.mark.parametrize(("value", "mode"), [("1", 1), ("2", 2), ("3", 3)])
def test_self_trade_handling_is_the_high_half_of_time_in_force(value, mode):
    order, _ = CODEC.decode(new_order(t2964=value))
    assert order["time_in_force"] == TimeInForce.DAY | mode << 4


def test_a_fill_is_reported():
    row, _ = CODEC.row_of(new_order())
    row["leaves_lots"], row["cum_lots"], row["cum_value"] = 70, 30, 30 * 1230
    event = make_event(EventKind.FILLED, price_ticks=1230, qty_lots=30, leaves_lots=70, seq=42)
    assert CODEC.encode(event, row, None) == (
        b"35=8|37=1|11=C1|17=42|150=F|39=1|55=GOLD|54=1|38=100|40=2|44=12.34|31=12.30|32=30|"
        b"151=70|14=30|6=12.30|60=20231114-22:13:20.123|"
    ).replace(b"|", b"\x01")


PENDING = {"D": "A", "F": "6", "G": "E"}


@given(
    st.sampled_from(REPORTED),
    st.sampled_from(Reason),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(-(2**40), 2**40),
    st.sampled_from(["D", "F", "G"]),
    st.sampled_from(list(CASES)),
)
def test_reports_say_what_the_event_and_the_row_say(kind, reason, leaves, cum, price, by, case):
    row, _ = CODEC.row_of(new_order(**CASES[case][0]))
    own = body_fields(new_order(**CASES[case][0]))
    row["leaves_lots"], row["cum_lots"], row["cum_value"] = leaves, cum, cum * price
    _, metadata = CODEC.decode(order_message(by, BASE | {11: "N1", 41: "C1"}))
    event = make_event(kind, reason=reason, price_ticks=price, qty_lots=9, leaves_lots=leaves)
    got = body_fields(CODEC.encode(event, row, np.array([metadata])))
    silent = (
        EventKind.REPEGGED,
        EventKind.REFRESHED,
        EventKind.TRIGGER_MOVED,
        EventKind.PHASE_CHANGED,
        EventKind.INDICATIVE,
        EventKind.UNCROSSED,
        EventKind.COMPLETED,
        EventKind.ENTERED,
    )
    if kind in silent:
        assert got == {}
        return
    gone = kind in (EventKind.CANCELLED, EventKind.EXPIRED)
    over = kind == EventKind.EXPIRED or reason in (
        Reason.DAY_END,
        Reason.EXPIRED,
        Reason.AUCTION_REST,
    )
    working = "1" if cum else "0"
    status = ("C" if over else "4") if gone else "2" if leaves == 0 else working
    if kind == EventKind.ACCEPTED:
        status = working
    if kind == EventKind.BROKEN and leaves == 0 and cum < 100:
        status = "4"  # nothing of it comes back into the book
    kinds = {"ACCEPTED": "0", "FILLED": "F", "REPLACED": "5", "ELECTED": "L", "BROKEN": "H"}
    if kind == EventKind.DELAYED:
        status = kinds["DELAYED"] = PENDING[by]
    is_void = kind == EventKind.BROKEN and leaves == 0
    wanted = {
        "35": "8",
        "37": "1",
        "17": "5",
        "55": "GOLD",
        "54": own["54"],
        "40": own["40"],
        "150": status if gone else kinds.get(kind.name, "D"),
        "39": status,
        "38": str(100 if gone or kind == EventKind.ACCEPTED or is_void else leaves + cum),
        "151": str(0 if gone else leaves),
        "14": str(cum),
        "6": reference.average_text(cum * price, cum, 2),
        "60": "20231114-22:13:20.123",
    }
    named = (kind, by) == (EventKind.REPLACED, "G")
    named |= kind == EventKind.CANCELLED and by in "FG"  # a G that comes behind what it asks for
    named |= kind == EventKind.DELAYED and by in "FG"
    wanted |= {"11": "N1", "41": "C1"} if named else {"11": "C1"}
    if kind == EventKind.BROKEN:
        wanted["19"] = "1"  # the event after that of match number 0
    if kind in (EventKind.FILLED, EventKind.BROKEN):
        wanted |= {"31": reference.price_text(price, 2), "32": "9"}
    if kinds.get(kind.name, "D") == "D" and not gone:
        wanted["378"] = "5"
    if reason:
        wanted["58"] = REASON_TEXTS.say("FIX 58", reason)
    priced = CASES[case][1] not in (
        OrderType.MARKET,
        OrderType.MARKET_TO_LIMIT,
        OrderType.STOP,
        OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP_BPS,
        OrderType.MARKET_BUDGET,
        OrderType.TAKE_PROFIT,
    )
    wanted |= {"44": "12.34"} if priced else {}
    wanted |= {tag: own[tag] for tag in ("59",) if tag in own}
    profits = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    triggered = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.POST_ONLY_STOP_LIMIT, *profits)
    if CASES[case][1] in triggered:
        wanted["99"] = "12.50"
    if CASES[case][1] in profits:
        wanted["1109"] = "D" if own["54"] == "1" else "U"
    wanted |= {"152": f"{CASES[case][3] / 100:.2f}"} if "t152" in CASES[case][0] else {}
    assert got == wanted


@pytest.mark.parametrize("refusal", list(Refusal)[:10])
def test_each_refusal_has_its_code_and_word(refusal):
    row, _ = CODEC.row_of(new_order())
    order = refused("D", refusal, row)
    assert {tag: order[tag] for tag in ("35", "37", "11", "150", "39", "55", "151")} == {
        "35": "8",
        "37": "1",
        "11": "C1",
        "150": "8",
        "39": "8",
        "55": "GOLD",
        "151": "0",
    }
    assert order["58"]
    assert order["103"] == REFUSALS.say("FIX 103", refusal)
    for kind, number in (("F", "1"), ("G", "2")):
        cancel = refused(kind, refusal)
        assert (cancel["35"], cancel["37"], cancel["11"], cancel["41"]) == ("9", "NONE", "C1", "C0")
        assert (cancel["434"], cancel["39"], cancel["58"]) == (number, "8", order["58"])
        assert cancel["102"] == REFUSALS.say("FIX 102", refusal)


def test_the_core_s_rejections_are_reported():
    row, metadata = CODEC.row_of(new_order())
    event = make_event(EventKind.REJECTED, reason=Reason.OFF_LOT, seq=6)
    got = body_fields(CODEC.encode(event, row, metadata))
    assert (got["39"], got["103"], got["58"], got["17"]) == (
        "8",
        "13",
        REASON_TEXTS.say("FIX 58", Reason.OFF_LOT),
        "6",
    )


@pytest.mark.parametrize("rule", [*ErrorBit])
def test_a_rule_of_the_gateway_is_reported_by_its_name(rule):
    row, metadata = CODEC.row_of(new_order())
    bits = 1 << rule | 1 << max(ErrorBit)
    event = make_event(EventKind.REJECTED, reason=Reason.GATEWAY, contra_id=bits)
    got = body_fields(CODEC.encode(event, row, metadata))
    assert (got["103"], got["58"]) == (
        RULES.say("FIX 103", rule),
        RULES.say("FIX 58", rule),
    )


@pytest.mark.parametrize("bit", [*RiskBit])
def test_a_limit_is_reported_with_its_figures_and_a_switch_by_its_name(bit):
    row, metadata = CODEC.row_of(new_order())
    limit = {"contra_id": 1 << bit | 1 << max(RiskBit), "reason": Reason.RISK}
    figures = {"price_ticks": 100, "leaves_lots": -7, "qty_lots": 120}
    name = WORDS.say("FIX 58", bit.name)
    words = name if bit.name in FIGURELESS else f"{name}: limit 100, now -7, asked 120"
    event = make_event(EventKind.REJECTED, **limit, **figures)
    got = body_fields(CODEC.encode(event, row, metadata))
    assert (got["39"], got["103"], got["58"]) == ("8", "3", words)


def test_mass_cancel_and_unknown_messages_are_answered():
    _, metadata = CODEC.decode(order_message("q", BASE))
    metadata = np.array([metadata])
    event = make_event(EventKind.COMPLETED, qty_lots=3)
    assert CODEC.encode(event, None, metadata) == (
        b"35=r|11=C1|37=99|530=7|531=7|533=3|60=20231114-22:13:20.123|".replace(b"|", b"\x01")
    )
    got = refused("q", Refusal.UNSUPPORTED)
    assert (got["35"], got["530"], got["531"], got["532"]) == ("r", "7", "0", "99")
    got = refused("V", Refusal.UNSUPPORTED_MESSAGE)
    assert got == {
        "35": "j",
        "45": "7",
        "372": "V",
        "380": "3",
        "58": REFUSALS.say("FIX 58", Refusal.UNSUPPORTED_MESSAGE),
    }


def test_status_is_reported_from_the_row():
    row, _ = CODEC.row_of(new_order())
    got = refused("H", Refusal.STATUS, row)
    assert (got["150"], got["39"], got["151"], got["38"]) == ("I", "0", "100", "100")
    row["state"], row["leaves_lots"], row["cum_lots"] = rows.DONE, 0, 40
    got = refused("H", Refusal.STATUS, row)
    assert (got["150"], got["39"], got["151"], got["14"]) == ("I", "4", "0", "40")
    row["cum_lots"], row["leaves_lots"], row["rejected"] = 0, 100, 1
    got = refused("H", Refusal.STATUS, row)
    assert (got["150"], got["39"], got["151"], got["14"]) == ("I", "8", "0", "0")
    assert refused("H", Refusal.STATUS)["103"] == "5"


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (EventKind.EXPIRED, Reason.EXPIRED, "C"),
        (EventKind.CANCELLED, Reason.DAY_END, "C"),
        (EventKind.CANCELLED, Reason.USER, "4"),
        (EventKind.FILLED, Reason.NONE, "2"),
    ],
)
def test_what_is_over_has_the_status_it_was_reported_with(kind, reason, status):
    sizes = session_region.Sizes(1, 8, 8, 8)
    shared = session_region.SessionRegion(
        np.zeros(session_region.region_bytes(sizes) // 8, np.int64), sizes
    )
    shared.block(1)[session.OPEN_ORDERS // 8] = 1
    row = shared.rows[1:2].reshape(())
    row[...] = CODEC.row_of(new_order())[0]
    row["session"], row["number"], row["order_id"] = 1, 1, rows.ORDER_BIT | 1
    event = make_event(kind, reason=int(reason), qty_lots=100)
    apply.update_row(shared.address, row.ctypes.data, event.ctypes.data)
    assert refused("H", Refusal.STATUS, row)["39"] == status


def test_a_replace_means_the_whole_quantity():
    """FIX's OrderQty counts what was done already; the core wants what is to be open."""
    row, _ = CODEC.row_of(new_order())
    row["cum_lots"] = 30

    def resolve(**changes):
        fields = BASE | {41: "C1"} | {int(n[1:]): v for n, v in changes.items()}
        order, metadata = (np.array([part]) for part in CODEC.decode(order_message("G", fields)))
        result = resolving.resolve(order.ctypes.data, metadata.ctypes.data, row.ctypes.data)
        assert metadata["refused"][0] == result
        return result, order[0]

    result, order = resolve(t38="80")
    assert (result, order["qty_lots"], order["order_id"]) == (0, 50, rows.ORDER_BIT | 1)
    assert (order["aux"], order["time_in_force"]) == (100, OPEN_KNOWN), "what was open, as known"
    assert resolve(t38="30")[0] == Refusal.TOO_LATE
    assert resolve(t55="OIL")[0] == Refusal.MISMATCH
    assert resolve(t54="2")[0] == Refusal.MISMATCH
    assert resolve(t18="6")[0] == Refusal.MISMATCH
    row["state"] = rows.DONE
    assert resolve(t38="80")[0] == Refusal.TOO_LATE
    row["state"], row["chain"] = rows.SENT, 3
    assert resolve(t38="80")[0] == Refusal.PENDING


def test_a_replace_keeps_the_time_in_force():
    """Another one is refused; one that is not named stays, and is told."""
    until = {"t59": "6", "t126": "20300105-09:00:00"}
    for terms in ({}, {"t59": "0"}, {"t59": "1"}, until):
        row, _ = CODEC.row_of(new_order(**terms))
        tif = terms.get("t59", "")

        def resolve(row=row, **changes):
            fields = BASE | {41: "C1"} | {int(n[1:]): v for n, v in changes.items()}
            order, metadata = (
                np.array([part]) for part in CODEC.decode(order_message("G", fields))
            )
            result = resolving.resolve(order.ctypes.data, metadata.ctypes.data, row.ctypes.data)
            return result, metadata["own"][0].tobytes()[fix_decode.TIF_CHAR :][:1].strip(
                b"\0"
            ).decode()

        assert resolve() == (0, tif)
        assert resolve(**terms) == (0, tif)
        assert resolve(t59="3")[0] == Refusal.MISMATCH
        assert resolve(t59="4")[0] == Refusal.MISMATCH
        assert resolve(t59="0") == ((0, "0") if tif in ("", "0") else (Refusal.MISMATCH, "0"))
    assert resolve(**until | {"t126": "20300105-09:00:01"})[0] == Refusal.MISMATCH


def test_the_clock_of_the_tests():
    assert int(datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).timestamp()) == NOW_NS // 10**9
