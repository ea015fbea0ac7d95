"""Questions over many days, asked of a ledger's Parquet files: volatility, volumes, exposure, and
cohorts of participants.  DuckDB answers them.

Sums are of whole units and exact.  An amount is shown in whole assets (1 BTC is 1); what is held of
a contract or a share is in lots.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import openoutcry.ledger.layout as lay
from openoutcry.ledger.books import Books
from openoutcry.ledger.parquet_store import ask

INVERSE = lay.LedgerInstrument.offset("inverse") // 8
MOST_ROWS = 10_000
MARKETS = "symbol, base, quote, base_decimals, quote_decimals, lot_units, tick_units"
VIEWS = {
    "volatility": """
        with dates as (
            select instrument as symbol, day, arg_max(price_ticks, event_seq) as close_ticks,
                max(price_ticks) as high_ticks, min(price_ticks) as low_ticks
            from trades group by instrument, day
        ), steps as (
            select *, lag(close_ticks) over (partition by symbol order by day) as before
            from dates
        ), returns as (
            select symbol, day, close_ticks, high_ticks, low_ticks,
                case when close_ticks > 0 and before > 0 then ln(close_ticks / before) end
                    as day_return
            from steps
        )
        select symbol, day, close_ticks, high_ticks, low_ticks, day_return,
            stddev_samp(day_return) over last_30 * sqrt(365) as yearly_30_days,
            count(day_return) over last_30 as days
        from returns
        window last_30 as (
            partition by symbol order by day
            range between interval 29 days preceding and current row)
    """,
    "volumes": """
        with days as (
            select instrument as symbol, day, count(*) filter (where side = 'BUY') as trades,
                sum(qty_lots) filter (where side = 'BUY') as lots,
                sum(price_ticks::hugeint * qty_lots) filter (where side = 'BUY') as tick_lots,
                count(distinct participant) as participants
            from trades group by instrument, day
        )
        select symbol, day, trades, lots * lot_units as base_quantity,
            tick_lots * tick_units as quote_amount, base, quote, participants,
            base_decimals, quote_decimals
        from days join markets using (symbol)
    """,
    "exposure": """
        with moved as (
            select day, participant, asset, sum(available + reserved) as units,
                sum(reserved) as reserved_units
            from transactions group by day, participant, asset
            union all
            select day, participant, instrument, sum(lots_available + lots_reserved),
                sum(lots_reserved)
            from transactions group by day, participant, instrument
        ), summed as (
            select day, participant, asset, sum(units) over so_far as units,
                sum(reserved_units) over so_far as reserved_units
            from moved where units <> 0 or reserved_units <> 0
            window so_far as (partition by participant, asset order by day)
        ), held as (
            select d.day, s.participant, s.asset, s.units, s.reserved_units
            from (select distinct day from transactions where day between $first and $last) as d
            cross join (select distinct participant, asset from summed) as p
            asof join summed as s
                on s.participant = p.participant and s.asset = p.asset and s.day <= d.day
        )
        select day, asset, participant, units as held, reserved_units as reserved,
            abs(units) / sum(abs(units)) over (partition by day, asset) as share, decimals
        from held join assets using (asset)
        where units <> 0
    """,
    "cohorts": """
        with active as (
            select distinct participant, (day - date '1970-01-01') // 7 as week from trades
        ), first as (
            select participant, min(week) as cohort from active group by participant
        ), sizes as (
            select cohort, count(*) as of_all from first group by cohort
        )
        select date '1970-01-01' + (cohort * 7)::integer as first_week,
            week - cohort as weeks_after, count(*) as active, any_value(of_all) as of_all
        from active join first using (participant) join sizes using (cohort)
        group by cohort, week
    """,
}
"""By name, over ``transactions``, ``trades``, ``markets`` and ``assets``.  A cohort are those who
first traded in the same seven days."""
IN_DECIMALS = {
    "volumes": {"base_quantity": "base_decimals", "quote_amount": "quote_decimals"},
    "exposure": {"held": "decimals", "reserved": "decimals"},
}
"""Columns in whole units of an asset, each with the column of its decimals."""
ORDER = {
    "volatility": "day, symbol",
    "volumes": "day, symbol",
    "exposure": "day, asset, participant",
    "cohorts": "first_week, weeks_after",
}


def rows_of(folder: Path, books: Books, view: str, first: int, last: int) -> list[dict[str, Any]]:
    """A view's rows from day ``first`` to ``last`` (days since the epoch), at most ``MOST_ROWS``.

    ``folder`` has the files of the journal whose ``books`` these are.  Raises
    :class:`LedgerError` if they cannot be read.
    """
    days = [f"(date '1970-01-01' + {day:d})" for day in (first, last)]
    text = VIEWS[view].replace("$first", days[0]).replace("$last", days[1])
    query = (
        f"with markets({MARKETS}) as ({_values(_markets(books))}), "
        f"assets(asset, decimals) as ({_values(_assets(books))}), answer as ({text}) "
        f"select * from answer where {ORDER[view].split(',')[0]} between {days[0]} and {days[1]} "
        f"order by {ORDER[view]} limit {MOST_ROWS}"
    )
    rows: list[dict[str, Any]] = ask(folder, query).to_pylist()
    scales = IN_DECIMALS.get(view, {})
    for row in rows:
        for name, decimals in scales.items():
            if row[name] is not None:
                row[name] = format(Decimal(int(row[name])).scaleb(-row[decimals]), "f")
    hidden = set(scales.values())
    return [{name: row[name] for name in row if name not in hidden} for row in rows]


def _markets(books: Books) -> list[tuple[Any, ...]]:
    """Return what is traded is counted in lots where an instrument has no base asset.  The
    amount of an inverse contract is of no tick, so it has none."""
    names, rows = books.money_names, []
    for symbol, words in zip(books.symbols, books.instruments.tolist(), strict=True):
        lot_units, quote = words[lay.LOT_UNITS // 8], words[lay.QUOTE // 8]
        base, decimals = symbol, 0
        if lot_units:
            base = names[words[lay.BASE // 8]]
            decimals = books.decimals(words[lay.BASE // 8])
        rows.append(
            (
                symbol,
                base,
                names[quote],
                decimals,
                books.decimals(quote),
                lot_units or 1,
                None if words[INVERSE] else words[lay.MULTIPLIER // 8],
            )
        )
    return rows


def _assets(books: Books) -> list[tuple[str, int]]:
    return list({**dict.fromkeys(books.symbols, 0), **books.scales}.items())


def _values(rows: list[tuple[Any, ...]]) -> str:
    lines = ", ".join("(" + ", ".join(map(_literal, row)) + ")" for row in rows)
    return f"select * from (values {lines})"


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:d}::hugeint" if abs(value) > 1 << 31 else f"{value:d}"
