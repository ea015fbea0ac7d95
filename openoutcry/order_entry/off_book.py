"""A fill off the book, reported to every session of its participant that can say it.

It belongs to no order of a session (``matcher/off_book.py``).  FIX reports it as an execution of a
venue's order, at the market XOFF; shared memory as a separate kind of reply.  OUCH has no
message for it: its participants have a drop copy.

The same sessions have a trade that was taken back, of an order that is no session's or that its
session has forgotten: an ExecutionReport with ExecType H, or a reply BROKEN.
"""

import openoutcry.order_entry.fix.drop_copy as fix_drop_copy
import openoutcry.order_entry.fix.encode as fix_encode
from openoutcry.order_entry import apply, constants, ouch, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.fix import live42
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import constant, put_decimal, put_number, put_timestamp
from openoutcry.order_entry.fix.words import CACHED_DAY, FixSession
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.shm_layout import REPLY_BYTES, SHM, ShmReply, may_act
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.notes import OF_BASE, fee_units
from openoutcry.wire.record_blocks import EventRecord

FIX44, FIX42 = session_block.FIX44, session_block.FIX42
OFF_BOOK, BROKEN = constants.SHM_REPLY_OFF_BOOK, constants.SHM_REPLY_BROKEN
put_head, put_17 = constant(b"35=8\x0137=P"), constant(b"17=")
put_filled, put_6 = constant(b"150=F\x0139=2\x01"), constant(b"\x016=")
put_broken = constant(b"150=H\x0139=4\x01")
put_no_sums, put_60_after = constant(b"151=0\x0114=0\x016=0"), constant(b"\x0160=")
put_market, put_60 = constant(b"30=XOFF\x01151=0\x0114="), constant(b"\x0160=")


@kernel_outlined
def report_off_book(region: RegionHeader, codecs: int, event: EventRecord, rx_ts_ns: int) -> None:
    """Put a fill off the book, or a broken trade, into the streams of its participant's sessions.

    ``codecs``: address of the table of protocols' kernels, with room to encode after it."""
    not_inlined()
    out = codecs + apply.CODEC_BYTES * apply.CODECS
    body = out + soupbin.HEADER_BYTES
    for index in range(1, region.session_count + 1):
        session = apply.block_of(region, index)
        protocol, size = session.protocol, 0
        if not may_act(session, event.participant):
            continue
        session.rx_ts_ns = rx_ts_ns
        session.fee = region.fee
        if protocol == SHM:
            size = write_reply(event, session, body)
        elif protocol == FIX44:
            size = write_execution(event, FixSession(session), body)
        elif protocol == FIX42:
            plain = body + live42.SCRATCH
            size = live42.translate(plain, write_execution(event, FixSession(session), plain), body)
        apply.put_out(region, session, out, size, event.seq)


@kernel
def write_execution(event: EventRecord, session: FixSession, out: int) -> int:
    """Write the body of an ExecutionReport of FIX 4.4 at ``out``; returns its bytes."""
    instrument = session_block.instrument_row(session, event.instrument)
    decimals = instrument.decimals if instrument != 0 else 0
    qty, price = event.qty_lots, event.price_ticks
    at = put_field_end(put_number(put_head(out), event.order_id))
    is_broken = event.kind == apply.BROKEN
    at = put_field_end(put_number(put_17(at), event.seq))
    at = fix_encode.put_exec_ref(put_broken(at), event) if is_broken else put_filled(at)
    at = fix_drop_copy.put_symbol(fix_encode.put_55(at), session, event.instrument)
    at = fix_encode.put_char(fix_encode.put_54(at), 48 + event.side)
    at = put_decimal(fix_encode.put_31(put_number(fix_encode.put_38(at), qty)), price, decimals)
    at = put_number(fix_encode.put_32(at), qty)
    if fee_units(session.fee) != 0:
        at = fix_encode.put_commission(at, session, event.instrument)
    if is_broken:
        at = put_60_after(put_no_sums(put_field_end(at)))
        return put_field_end(put_timestamp(at, session.rx_ts_ns, session + CACHED_DAY)) - out
    at = put_number(put_market(put_field_end(at)), qty)
    at = put_60(put_decimal(put_6(at), price, decimals))
    return put_field_end(put_timestamp(at, session.rx_ts_ns, session + CACHED_DAY)) - out


@kernel
def write_reply(event: EventRecord, session: SessionBlock, out: int) -> int:
    """Write the reply of shared memory at ``out``; returns its bytes."""
    for word in range(REPLY_BYTES // 8):
        Words(out)[word] = 0
    reply = ShmReply(out)
    is_broken = event.kind == apply.BROKEN
    reply.kind = BROKEN if is_broken else OFF_BOOK
    reply.side = event.side
    reply.participant = event.participant
    instrument = session_block.instrument_row(session, event.instrument)
    if instrument != 0:
        reply.symbol = instrument.symbol
    reply.orig_id = fee_units(session.fee)
    reply.orig_id_high = session.fee & OF_BASE
    reply.flags = event.flags & ~enum_numbers.EVENT_FLAG_LAST
    reply.price_ticks = event.price_ticks
    reply.qty_lots = event.qty_lots
    reply.match = event.contra_id if is_broken else ouch.match_number(event)
    reply.rx_ts_ns = session.rx_ts_ns
    return REPLY_BYTES
