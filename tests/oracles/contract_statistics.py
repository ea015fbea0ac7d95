"""What is public of contracts, worked out slowly from a journal's commands and events alone: no
state of the core, no code of the venue."""

from collections import defaultdict
from fractions import Fraction

from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import CommandKind, EventKind, Side

INDEX_COMMANDS = (Setting.INDEX_RULES, Setting.INDEX_REPORT, Setting.INDEX_VALUE)


def symbol_of(row):
    return bytes(row["symbol"]).rstrip(b"\0").decode()


def open_interest(events, symbols):
    """Lots that buyers hold, by symbol."""
    held = defaultdict(int)
    for event in events[events["kind"] == EventKind.FILLED]:
        sign = 1 if event["side"] == Side.BUY else -1
        held[int(event["instrument"]), int(event["participant"])] += sign * int(event["qty_lots"])
    return {
        symbol: sum(lots for (index, _), lots in held.items() if index == place and lots > 0)
        for place, symbol in enumerate(symbols)
    }


def settings_of(commands, symbol, what):
    """The accepted settings of one kind for a symbol, in order."""
    ours = (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == what)
    return [row for row in commands[ours] if symbol_of(row) == symbol]


def marks(commands, symbol):
    """Mark and index of each command that marks, with its time by the TIME commands before it, in
    nanoseconds; and the time at the end."""
    now, found = 0, []
    for row in commands:
        if row["kind"] == CommandKind.TIME:
            now = int(row["aux"])
        is_mark = row["kind"] == CommandKind.RISK and row["order_type"] == Setting.CONTRACT_MARK
        if is_mark and symbol_of(row) == symbol:
            found.append((now, int(row["aux"]), int(row["price_ticks"])))
    return found, now


def average_prices(commands, symbol, since_ns):
    """Milliseconds, mark and index of the stretches from ``since_ns`` to the journal's end."""
    found, end_ns = marks(commands, symbol)
    ends = [at for at, _, _ in found[1:]] + [end_ns]
    rows = [
        (max(end - max(at, since_ns), 0) // 10**6, mark, index)
        for (at, mark, index), end in zip(found, ends, strict=True)
    ]
    return [row for row in rows if row[0]]


def index_of(reports, weights, least, stale_ns, outlier_bps, now_ns):
    """An index by the page: its price (None: too few sources) and the state of each source, from
    the newest price and time of each."""
    states = {}
    fresh = {}
    for source in weights:
        if source not in reports:
            states[source] = "silent"
        elif now_ns - reports[source][1] > stale_ns:
            states[source] = "stale"
        else:
            fresh[source] = reports[source][0]
    prices = sorted(fresh.values())
    half = len(prices) // 2
    median = Fraction(prices[half] + prices[-half - 1], 2) if prices else 0
    for source, price in fresh.items():
        is_far = abs(price - median) > median * Fraction(outlier_bps, 10_000)
        states[source] = "outlier" if is_far else "used"
    used = [source for source, state in states.items() if state == "used"]
    if len(used) < least:
        return None, states
    total = sum(weights[source] for source in used)
    mean = Fraction(sum(weights[source] * fresh[source] for source in used), total)
    return int(mean + Fraction(1, 2)), states
