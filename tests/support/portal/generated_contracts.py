"""A generated market of spot and contracts: next to the spot of :mod:`generated`, futures (one is
delivered), an option, a linear and an inverse perpetual, money in margin accounts, pledged
collateral, and transfers between users as those to sub-accounts are."""

from pathlib import Path

import numpy as np

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue.fee_tables import deposit
from openoutcry.venue.file import read_venue
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.portal import contract_tables as tables
from tests.support.portal.generated import (
    BEGIN_DAY,
    BLOCK,
    DAY_NS,
    FIRST,
    FUNDS,
    Generated,
    drawn,
    write,
)
from tests.support.portal.portal_venue import venue_text

FOR_ALL = 2_000
"""Most turns in which a command concerns all who hold a contract, each of whom gets a row."""
MONEY = 10**12
"""Units that each person has in its margin account."""
SYMBOLS = ("XAU-P", "XAU-F", "XAU-D", "XAU-C", "EUR-I")
ENDS = {"XAU-F": 2, "XAU-C": 2, "XAU-D": 3}
"""Days after the first at whose noon a contract ends."""
START = {"XAU-C": 50}
HALF = "2025-11-10T12:00:00Z"
"""When the call and the first future end; the other one is delivered a day later."""
DELIVERED = 'delivered_asset = "BTC"\ndelivered_units = 100_000\n'
PLEDGED = """
[[asset]]
name = "BTC"
price = [50_000_000_000, 100_000_000]
tiers = [[0, 100_000]]
"""
RULES = tables.RULES + 'collateral = ["BTC"]\n'
MARGIN_FILE = tables.MARGIN.format(now="2025-11-08T00:00:00Z") + PLEDGED
MARGIN_FILE += tables.GOLD + tables.EURO + tables.SMILE.format(expiry=HALF)


def contracts(mark: str = "") -> str:
    """Return the five contracts; ``mark``: the line that a margin file has of all but the call."""
    return "".join(
        (
            tables.contract("XAU-P", "perpetual", more=mark),
            tables.contract("XAU-F", "future", HALF, mark),
            tables.contract("XAU-D", "future", "2025-11-11T12:00:00Z", DELIVERED + mark),
            tables.contract("XAU-C", "call", HALF),
            tables.inverse(mark),
        )
    )


def contract_market(
    folder: Path, people: int, orders: int, seed: int, days: int = 5, block: int = BLOCK
) -> Generated:
    """``orders``: of spot; for each three there is something of contracts."""
    (folder / "margin.toml").write_text(MARGIN_FILE + contracts(tables.MARK))
    rows = [
        tables.instrument(one, START.get(one, 1_000), 0 if one[0] == "E" else 25) for one in SYMBOLS
    ]
    text = venue_text().replace(
        "participant_capacity = 1200", f"participant_capacity = {FIRST + people}"
    )
    text = text.replace("order_capacity = 4096", "order_capacity = 65536")
    path = folder / "venue.toml"
    path.write_text(text + "".join(rows) + contracts() + RULES)
    file, who = read_venue(path), range(FIRST, FIRST + people)
    spot = drawn(file, who, orders, seed, days, 0.02)
    commands = with_contracts(spot, who, seed)
    write(file, commands, block)
    return Generated(file, who, len(commands))


def with_contracts(spot: np.ndarray, people: range, seed: int) -> np.ndarray:
    """What is done in contracts between the commands of spot, at their times."""
    rng, made = np.random.default_rng([seed, 56]), [money(who) for who in people]
    marks = {one: START.get(one, 1_000) for one in SYMBOLS}
    began = int(np.flatnonzero(spot["rx_ts_ns"] > spot["rx_ts_ns"][0])[0])
    opening = spot[:began]
    share = min(1.0, FOR_ALL / (len(spot) / 3))
    parts, ended, periods = [opening, at(made, opening)], set(), {"day": 0, "funding": 0}
    for place in range(began, len(spot), 3):
        some = spot[place : place + 3]
        now_ns = int(some["rx_ts_ns"][0])
        records = []
        for symbol, day in ENDS.items():
            if symbol not in ended and now_ns >= (BEGIN_DAY + day) * DAY_NS + DAY_NS // 2:
                ended.add(symbol)
                price = marks["XAU-P"] if symbol == "XAU-C" else marks[symbol]
                records += [clock(now_ns), expiry(symbol, price)]
        records += something(rng, people, marks, ended, periods, share)
        parts += [at(records, some), some]
    commands = np.concatenate(parts)
    commands["seq"] = np.arange(1, len(commands) + 1)
    return commands


def at(records: list[np.ndarray], some: np.ndarray) -> np.ndarray:
    """The records at the time of the first of some others."""
    made = np.concatenate([np.zeros(0, ORDER_DTYPE), *records])
    made["rx_ts_ns"] = some["rx_ts_ns"][0]
    return made


def money(who: int) -> np.ndarray:
    return setting(Setting.DEPOSIT, MONEY, who)


def expiry(symbol: str, price: int) -> np.ndarray:
    return setting(Setting.CONTRACT_EXPIRE, price, 0, symbol.encode())


def clock(now_ns: int) -> np.ndarray:
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["aux"] = CommandKind.TIME, now_ns
    return record


def something(rng, people, marks, ended, periods, share) -> list[np.ndarray]:
    """A trade, a mark, funding, a day's settlement, money, a pledge, or a transfer; ``share``: of
    the marks and the like, how many are taken."""
    symbol = SYMBOLS[int(rng.integers(len(SYMBOLS)))]
    one, other = (int(who) for who in rng.choice(people, 2, replace=False))
    code, drawn_at = symbol.encode(), rng.random()
    if drawn_at < 0.55:
        return trade(rng, symbol, one, other, marks[symbol]) if symbol not in ended else []
    if drawn_at < 0.82 and rng.random() >= share:
        return []
    if drawn_at < 0.75:
        step = max(1, marks[symbol] // 50)
        marks[symbol] = max(10, marks[symbol] + int(rng.integers(-step, step + 1)))
        return [setting(Setting.CONTRACT_MARK, marks[symbol], 0, code, marks[symbol])]
    if drawn_at < 0.8:
        periods["funding"] += 1
        rate, code = int(rng.integers(-(10**6), 10**6)), rng.choice([b"XAU-P", b"EUR-I"])
        return [setting(Setting.CONTRACT_FUNDING, rate, 0, code, periods["funding"])]
    if drawn_at < 0.82:
        periods["day"] += 1
        return [setting(Setting.CONTRACT_SETTLE, marks[symbol], 0, code, periods["day"])]
    if drawn_at < 0.88:
        return [setting(Setting.DEPOSIT, int(rng.integers(-MONEY // 100, MONEY // 50)), one)]
    if drawn_at < 0.95:
        record = setting(Setting.PLEDGE, int(rng.integers(-(10**9), 10**9)), one)
        record["time_in_force"] = 1
        return [record]
    name = str(rng.choice(list(FUNDS)))
    amount = int(rng.integers(1, FUNDS[name] // 50))
    return [deposit(one, -amount, name, 0, 0), deposit(other, amount, name, 0, 0)]


def trade(rng, symbol, buyer, seller, mark) -> list[np.ndarray]:
    """An order that waits, one that meets it, and what is left of the first is cancelled."""
    rows = np.zeros(3, ORDER_DTYPE)
    rows["kind"] = CommandKind.NEW
    rows["symbol"], rows["order_type"] = symbol.encode(), OrderType.LIMIT
    rows["price_ticks"] = max(1, mark + int(rng.integers(-5, 6)))
    rows["qty_lots"] = rng.integers(1, 40, 3)
    rows["participant"] = (buyer, seller, buyer)
    rows["side"] = (Side.BUY, Side.SELL, Side.BUY)
    rows["order_id"] = int(rng.integers(1, 2**31)) << 1
    rows["order_id"][1] += 1
    rows["time_in_force"] = (TimeInForce.DAY, TimeInForce.IOC, 0)
    rows["kind"][2] = CommandKind.CANCEL
    return [rows]
