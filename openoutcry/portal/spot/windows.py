"""Statistics of windows of time, and candles of other time zones than UTC."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

from openoutcry.portal.history.past import Past
from openoutcry.portal.spot.errors import illegal
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.public import DAY_MS, INTERVALS, MINUTE_MS, Candle, Day, bounds

HOUR_MS = 60 * MINUTE_MS
ZONE = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?")
WEST_MS, EAST_MS = -12 * HOUR_MS, 14 * HOUR_MS
"""The least and the largest distance from UTC."""
WINDOW = re.compile(r"([1-9]\d?)([mhd])")
UNITS = {"m": (MINUTE_MS, 59), "h": (HOUR_MS, 23), "d": (DAY_MS, 7)}
"""By unit of a window: its length, and how many of it are allowed."""
PARTS = ("1h", "30m", "15m", "5m", "1m")
"""Candles that those of another time zone are made of."""
MOST_PARTS, MONTH_MS = 20_000, 31 * DAY_MS


def offset_of(zone: str) -> int:
    """Milliseconds east of UTC of ``8`` or ``-1:30``; nothing is UTC.  Raises
    :class:`ApiError`."""
    found = ZONE.fullmatch(zone or "0")
    minutes = int(found[2]) * 60 + int(found[3] or 0) if found and zone.isascii() else 10**6
    offset_ms = minutes * MINUTE_MS * (-1 if found and found[1] == "-" else 1)
    if not WEST_MS <= offset_ms <= EAST_MS:
        raise illegal("timeZone", "[-12:00 to +14:00]")
    return offset_ms


def window_of(text: str) -> int:
    """The length of ``1d`` or ``59m`` in milliseconds.  Raises :class:`ApiError`."""
    found = WINDOW.fullmatch(text)
    unit_ms, most = UNITS[found[2]] if found else (0, 0)
    if found is None or not text.isascii() or int(found[1]) > most:
        raise illegal("windowSize", "1m,2m...59m;1h,2h...23h;1d...7d")
    return int(found[1]) * unit_ms


def bounds_in(interval: str, time_ms: int, offset_ms: int) -> tuple[int, int]:
    """Like :func:`bounds`, by the clocks of a time zone."""
    begin_ms, end_ms = bounds(interval, time_ms + offset_ms)
    return begin_ms - offset_ms, end_ms - offset_ms


def is_shifted(interval: str, offset_ms: int) -> bool:
    """Return whether candles of this interval begin at other moments there than in UTC."""
    return offset_ms % (INTERVALS[interval] or DAY_MS) != 0 or (
        offset_ms != 0 and interval in ("3d", "1w", "1M")
    )


def part_of(interval: str, offset_ms: int) -> str:
    """The longest candles of UTC that those of a time zone are made of."""
    length_ms = INTERVALS[interval] or DAY_MS
    return next(
        part
        for part in PARTS
        if offset_ms % INTERVALS[part] == 0 and length_ms % INTERVALS[part] == 0
    )


def joined(parts: Iterable[Candle], interval: str, offset_ms: int) -> list[Candle]:
    """Candles of a time zone, of parts in order of time."""
    rows: list[Candle] = []
    for part in parts:
        if not rows or part.begin_ms > rows[-1].end_ms:
            begin_ms, end_ms = bounds_in(interval, part.begin_ms, offset_ms)
            rows.append(Candle(begin_ms, end_ms, part.open, part.high, part.low, part.close))
        row = rows[-1]
        if part.count and not row.count:
            # Where nothing has been traded a candle has the price of before.
            row.open, row.high, row.low = part.open, part.high, part.low
            row.first_trade = part.first_trade
        if part.count:
            row.join(part)
    return rows


async def candles_in(
    past: Past,
    market: Market,
    interval: str,
    offset_ms: int,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    now_ms: int,
) -> list[Candle]:
    """Like :meth:`Past.candles`, by the clocks of a time zone; of long candles as many as the parts
    of a request make."""
    if not is_shifted(interval, offset_ms):
        return await past.candles(market, interval, start_ms, end_ms, limit, now_ms)
    part = part_of(interval, offset_ms)
    ratio = (INTERVALS[interval] or MONTH_MS) // INTERVALS[part]
    if start_ms is not None:
        begin_ms, last_ms = bounds_in(interval, start_ms, offset_ms)
        start_ms = start_ms if begin_ms == start_ms else last_ms + 1
    if end_ms is not None:
        _, end_ms = bounds_in(interval, end_ms, offset_ms)
    most = min((limit + 1) * ratio, MOST_PARTS)
    parts = await past.candles(market, part, start_ms, end_ms, most, now_ms)
    rows = joined(parts, interval, offset_ms)
    if start_ms is not None:
        is_cut = len(parts) == most and len(rows) > 1 and parts[-1].end_ms < rows[-1].end_ms
        return rows[: len(rows) - is_cut][:limit]
    is_cut = len(parts) == most and len(rows) > 1 and parts[0].begin_ms > rows[0].begin_ms
    return rows[is_cut:][-limit:]


def newest(parts: Sequence[Candle], interval: str, offset_ms: int) -> Candle:
    """The last candle of a time zone, of at least one part."""
    begin_ms, _ = bounds_in(interval, parts[-1].begin_ms, offset_ms)
    own = takewhile(lambda part: part.begin_ms >= begin_ms, reversed(parts))
    return joined(reversed(list(own)), interval, offset_ms)[0]


async def candles_within(
    past: Past, market: Market, begin_ms: int, end_ms: int, now_ms: int
) -> list[Candle]:
    """Candles that make up a time, which begins with a minute: of minutes, and after a day of
    hours."""
    if end_ms - begin_ms <= DAY_MS + MINUTE_MS:
        most = (end_ms - begin_ms) // MINUTE_MS + 2
        return await past.candles(market, "1m", begin_ms, end_ms, most, now_ms)
    hour_ms = -(-begin_ms // HOUR_MS) * HOUR_MS
    first = await past.candles(market, "1m", begin_ms, hour_ms - 1, 60, now_ms)
    most = (end_ms - hour_ms) // HOUR_MS + 2
    return first + await past.candles(market, "1h", hour_ms, end_ms, most, now_ms)


def day_of(candles: Iterable[Candle], begin_ms: int, end_ms: int, last: int) -> Day:
    """Return the statistics from ``begin_ms`` to ``end_ms``, of candles in order of time that lie
    within or outside; ``last``: the price if nothing was."""
    day = Day(open=last, high=last, low=last, close=last)
    for candle in candles:
        if not candle.count or candle.begin_ms < begin_ms or candle.begin_ms > end_ms:
            continue
        if not day.count:
            day.first, day.open, day.high, day.low = (
                candle.first_trade,
                candle.open,
                candle.high,
                candle.low,
            )
        day.high, day.low = max(day.high, candle.high), min(day.low, candle.low)
        day.close, day.last = candle.close, candle.last_trade
        day.lots += candle.lots
        day.tick_lots += candle.tick_lots
        day.count += candle.count
    return day
