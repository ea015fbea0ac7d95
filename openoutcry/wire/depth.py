"""The record of the conflated feed: one level of one side of an instrument, as of an interval.

Not of the layout hash: nothing of a pipeline or a journal has it, only datagrams.
"""

from openoutcry.wire.records import RECORD_BYTES, Field, Record

DEPTH = Record(
    "depth",
    RECORD_BYTES,
    "A level of the conflated feed; 23 of them at most make a datagram.",
    (
        Field("price", "u64", "with its decimals; of level 0 the last trade's"),
        Field("shares", "u64", "displayed; 0: there is no such level; of level 0 the last trade's"),
        Field("itch_seq", "u64", "the last message of the full feed that is in it"),
        Field("ts_ns", "u64", "ns since midnight of that message"),
        Field("symbol", "char8", "instrument"),
        Field("orders", "u32", "at the level; of level 0 how many trades there were"),
        Field("locate", "u16", "number of the instrument"),
        Field("side", "u8", "B or S; of level 0 a space, or N: the instrument's name"),
        Field("level", "u8", "1: the best; 0: the instrument itself"),
        Field("state", "u8", "T trading, Q a call phase, P paused, H halted or closed"),
        Field(
            "flags", "u8", "1: said again; 2: the interval's last; 4: heartbeat; 8: session ended"
        ),
        Field("price_decimals", "u16", "decimals of its prices; 0: four"),
        Field("run", "u32", "of the process that publishes: with another one seq begins again"),
        Field("seq", "u64", "of the records, from 1 without a hole"),
    ),
)
AGAIN, LAST, HEARTBEAT, END = 1, 2, 4, 8
NAME = ord("N")
"""Side of the record that names an instrument whose symbol has more than eight characters: the
symbol, padded with NULs, is in these fields."""
NAME_FIELDS = ("price", "shares", "ts_ns")
NAME_BYTES = 8 * len(NAME_FIELDS)
