"""The table of formats: what each can say.  Readers, writers, losses and the documents use it."""

from dataclasses import dataclass

from openoutcry.tape.records import ACTIONS, BY_ORDER, BY_PRICE, EVENT, KINDS, TRADES

ALWAYS = frozenset({"ts_ns", "instrument", "price", "qty", "action", "side"})
"""Fields of an event that every format of events has."""
OPTIONAL = tuple(name for name in EVENT.names or () if name not in ALWAYS)
"""The other fields of an event."""
_DBN = frozenset({"rx_ts_ns", "source", "sequence", "in_delta_ns", "flags"})
U32 = 2**32 - 1
EXACT_IN_FLOAT = 2**53


@dataclass(frozen=True)
class Format:
    """A row of the table."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    kinds: tuple[str, ...]
    """Kinds of records."""
    about: tuple[str, ...] = ()
    """What its events may be about."""
    actions: tuple[bytes, ...] = ()
    """Actions of its events."""
    fields: frozenset[str] = frozenset()
    """Further fields of its events."""
    time_ns: int = 1
    """Unit of its times."""
    price_decimals: int | None = None
    """Decimals of its prices; None: those of the instrument."""
    is_finer: bool = False
    """It can say that an instrument's prices have more decimals."""
    qty_decimals: int | None = None
    price_most: int = 2**63 - 2
    """Largest price in its unit."""
    qty_most: int = 2**63 - 1
    order_most: int = 2**64 - 1
    instrument_most: int = 2**32 - 1
    levels: int | None = None
    """Of its depth records; None: any number."""
    is_float: bool = False
    """Prices and quantities are 64-bit floats."""
    has_symbols: bool = True
    """It names instruments; otherwise it holds one."""
    has_date: bool = True
    """Its times have a date; otherwise they count from midnight."""
    reads: bool = True
    writes: bool = True
    checked: str = ""
    """The library that the tests read it and write it with; "": none."""


_ORDERS = tuple(one for one in ACTIONS if one != b"L")
ROWS = (
    Format(
        "parquet",
        "Parquet, a column a field",
        (".parquet",),
        KINDS,
        (BY_ORDER, BY_PRICE, TRADES),
        tuple(ACTIONS),
        frozenset(OPTIONAL),
        checked="pyarrow",
    ),
    Format(
        "dbn-mbo",
        "Databento DBN, schema mbo",
        (".dbn", ".dbn.zst"),
        ("event",),
        (BY_ORDER,),
        _ORDERS,
        _DBN | {"order_id", "channel"},
        price_decimals=9,
        qty_decimals=0,
        qty_most=U32,
        checked="databento-dbn",
    ),
    Format(
        "dbn-trades",
        "Databento DBN, schema trades",
        (".dbn", ".dbn.zst"),
        ("event",),
        (TRADES,),
        (b"T",),
        _DBN | {"depth"},
        price_decimals=9,
        qty_decimals=0,
        qty_most=U32,
        checked="databento-dbn",
    ),
    *(
        Format(
            f"dbn-{name}",
            f"Databento DBN, schema {name}",
            (".dbn", ".dbn.zst"),
            ("depth",),
            (BY_PRICE,),
            _ORDERS,
            _DBN | {"depth"},
            levels=levels,
            price_decimals=9,
            qty_decimals=0,
            qty_most=U32,
            checked="databento-dbn",
        )
        for name, levels in (("mbp-1", 1), ("mbp-10", 10))
    ),
    *(
        Format(
            f"dbn-{kind}",
            f"Databento DBN, schema {kind}",
            (".dbn", ".dbn.zst"),
            (kind,),
            checked="databento-dbn",
        )
        for kind in ("definition", "status", "statistics")
    ),
    Format(
        "lobster",
        "LOBSTER message file of one stock",
        (".csv",),
        ("event", "status"),
        (BY_ORDER,),
        _ORDERS,
        frozenset({"order_id", "detail"}),
        price_decimals=4,
        qty_decimals=0,
        price_most=10**18 - 1,
        qty_most=10**18 - 1,
        order_most=10**18 - 1,
        has_symbols=False,
        has_date=False,
    ),
    Format(
        "itch",
        "NASDAQ TotalView-ITCH 5.0, each message after its length",
        (".itch",),
        ("event", "definition", "status"),
        (BY_ORDER,),
        _ORDERS,
        frozenset({"order_id", "match_id", "detail"}),
        price_decimals=4,
        is_finer=True,
        qty_decimals=0,
        price_most=U32,
        qty_most=U32,
        instrument_most=2**16 - 1,
        has_date=False,
        checked="itchfeed, meatpy",
    ),
    Format(
        "tardis-trades",
        "Tardis.dev CSV, trades",
        (".csv",),
        ("event",),
        (TRADES,),
        (b"T",),
        frozenset({"rx_ts_ns", "match_id"}),
        time_ns=1_000,
    ),
    Format(
        "tardis-levels",
        "Tardis.dev CSV, incremental_book_L2",
        (".csv",),
        ("event",),
        (BY_PRICE,),
        (b"L",),
        frozenset({"rx_ts_ns", "flags"}),
        time_ns=1_000,
    ),
    Format(
        "tardis-snapshot",
        "Tardis.dev CSV, book_snapshot_N",
        (".csv",),
        ("depth",),
        (BY_PRICE,),
        _ORDERS,
        frozenset({"rx_ts_ns", "flags"}),
        time_ns=1_000,
    ),
    Format(
        "npz-orders",
        "hftbacktest .npz, order by order",
        (".npz",),
        ("event",),
        (BY_ORDER,),
        (b"A", b"C", b"M", b"R", b"T", b"F"),
        frozenset({"rx_ts_ns", "order_id"}),
        is_float=True,
        has_symbols=False,
        checked="hftbacktest",
    ),
    Format(
        "npz-levels",
        "hftbacktest .npz, levels and trades",
        (".npz",),
        ("event",),
        (BY_PRICE, TRADES),
        (b"L", b"T", b"R"),
        frozenset({"rx_ts_ns", "flags"}),
        is_float=True,
        has_symbols=False,
        checked="numpy",
    ),
)
FORMATS = {row.name: row for row in ROWS}
