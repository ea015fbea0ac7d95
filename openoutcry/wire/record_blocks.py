"""The wire's records as blocks that kernels read: ``OrderRecord(address).price_ticks``.

What a field means is said in records.py; a field of eight characters is read as a word.
"""

from openoutcry.wire.layout import Layout, i64, u32
from openoutcry.wire.records import EVENT, INSTRUMENT, ORDER


class Slot(Layout, size_bytes=64):
    """The last line of a ring's slot, whose end says whether its record is published."""

    stamp: int = i64("the record's sequence, or less that of a tombstone", at=56, atomic=True)
    seq: int = i64("the same, as its only writer reads it", at=56)


class OrderRecord(Slot, record=ORDER):
    """A command to the matcher."""

    price_ticks: int
    qty_lots: int
    symbol: int
    order_id: int
    aux: int
    rx_ts_ns: int
    participant: int
    error_code: int
    kind: int
    side: int
    order_type: int
    time_in_force: int
    seq: int
    word: int = i64("``participant`` to ``time_in_force`` as one", at=ORDER.offsets["participant"])
    kind_to_tif: int = u32("``kind`` to ``time_in_force`` as one", at=ORDER.offsets["kind"])


class EventRecord(Slot, record=EVENT):
    """An event of a command."""

    order_id: int
    contra_id: int
    price_ticks: int
    qty_lots: int
    leaves_lots: int
    cause_seq: int
    participant: int
    instrument: int
    kind: int
    reason: int
    side: int
    flags: int
    seq: int
    word: int = i64("``participant`` to ``flags`` as one", at=EVENT.offsets["participant"])


class InstrumentRecord(Layout, record=INSTRUMENT):
    """A row of the instrument table: of its fields those that kernels read."""

    symbol: int
    price_step_ticks: int
    qty_step_lots: int
    min_qty_lots: int
    max_qty_lots: int
    max_price_ticks: int
    min_price_ticks: int
    reference_price_ticks: int
    market_band_ticks: int
    auction_band_ticks: int
    min_allocation_lots: int
    allocation: int
    options: int
    initial_phase: int
    auction_extensions: int
    top_share_bps: int
    top_min_lots: int
    top_max_lots: int
    band1_from_ticks: int
    band1_step_ticks: int
    fifo_share_bps: int
    leveling: int
