"""A running venue whose spot instruments trade on the day that the data set's questions are about,
and what its events say, added up by hand."""

import re
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np

from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce
from tests.support.risk.spot_page import TABLES
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import order

DECIMALS = {"USD": 6, "BTC": 8, "ETH": 8}
MARKETS = {
    "BTC-USD": ("BTC", "USD", 10_000, 1),
    "ETH-USD": ("ETH", "USD", 100_000, 10),
    "ETH-BTC": ("ETH", "BTC", 100_000, 1),
}
"""Base, quote, units a lot, units a lot and tick."""
OPENING = {1: ("USD", 10**10), 2: ("BTC", 10**8), 3: ("ETH", 10**9), 4: ("USD", 10**9)}
PEOPLE = "".join(f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' for n in range(2, 6))
LIMITS = (
    "".join(
        f'[[limits]]\nparticipant = {who}\nasset = "{asset}"\nopening_balance = {amount}\n'
        for who, (asset, amount) in OPENING.items()
    )
    + '[[limits]]\nparticipant = 5\nasset = "USD"\ncredit = 1_000_000_000\n'
)
AT_MARKET = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
MAKERS = int(EventFlag.MAKER) | int(EventFlag.AUCTION)
TAKER_RATE = Fraction(10, 10_000)


def venue_text(collect="received"):
    """BTC-USD, ETH-USD and ETH-BTC are the first three instruments, so markets 1 to 3."""
    tables = TABLES.replace('collect = "received"', f'collect = "{collect}"')
    tables = re.sub(r"\[\[limits\]\]\n(?:[^\[].*\n)+\n?", "", tables)
    margin = VENUE.replace('symbol = "GOLD"\n', 'symbol = "GOLD"\namount_decimals = 6\n')
    margin = margin.replace('symbol = "TIN"\n', 'symbol = "TIN"\namount_decimals = 6\n')
    return tables + margin + PEOPLE + LIMITS


def in_market(symbol, *arguments, **more):
    record = order(*arguments, **more)
    record["symbol"] = symbol.encode()
    return record


def traded_day(folder, collect="received"):
    """The venue, still open, after an hour: partial fills, a replace, a cancel, a market order, a
    trade with oneself, a round trip, a debt within credit, and a triangle."""
    floor = InlineFloor(folder, venue_text(collect), now="2024-10-01T09:05")
    buy, sell = Side.BUY, Side.SELL

    def at(moment, *rows):
        floor.at(f"2024-10-01T{moment}")
        floor.send(*rows)

    at("09:10:05", in_market("BTC-USD", 9000, sell, 200, 5_000_000, 2))
    at("09:10:10", in_market("BTC-USD", 9001, buy, 500, 5_000_000, 1))
    at("09:10:40", in_market("BTC-USD", 9002, sell, 100, 4_990_000, 2))
    at("09:11:00", in_market("BTC-USD", 9003, buy, 40, 4_900_000, 4))
    at("09:11:05", in_market("ETH-USD", 9004, sell, 300, 260_000, 3))
    at("09:11:06", in_market("ETH-USD", 9005, buy, 120, 260_100, 4))
    # With oneself: what 4 has bought of ETH it sells to itself.
    at("09:11:10", in_market("ETH-USD", 9006, sell, 50, 250_000, 4))
    at("09:11:11", in_market("ETH-USD", 9007, buy, 50, 250_000, 4))
    # Back and forth between 4 and 5, who owes.
    at("09:11:20", in_market("ETH-USD", 9008, sell, 60, 255_000, 4))
    at("09:11:21", in_market("ETH-USD", 9009, buy, 60, 255_000, 5))
    at("09:11:30", in_market("ETH-USD", 9010, sell, 59, 255_100, 5))
    at("09:11:31", in_market("ETH-USD", 9011, buy, 59, 255_100, 4))
    at("09:11:40", in_market("ETH-USD", 9012, sell, 59, 255_100, 4))
    at("09:11:45", in_market("ETH-USD", 9013, buy, 59, 255_100, 5))
    # BTC just bought pays for ETH.
    at("09:12:10", in_market("ETH-BTC", 9014, sell, 100, 5_000, 3))
    at("09:12:12", in_market("ETH-BTC", 9015, buy, 30, 5_001, 1))
    replace = in_market("BTC-USD", 9003, buy, 60, 4_800_000, 4)
    replace["kind"] = CommandKind.REPLACE
    at("09:13:00", replace)
    cancel = in_market("ETH-BTC", 9014, sell, 0, 0, 3)
    cancel["kind"] = CommandKind.CANCEL
    at("09:14:00", cancel)
    at("09:20:00", in_market("BTC-USD", 9016, sell, 25, 0, 2, **AT_MARKET))
    floor.ask("deposit", "5", "100000000", "--asset", "USD")
    floor.ask("withdraw", "2", "1000000", "--asset", "BTC")
    # A withdrawal that is done, one that is not yet, a deposit that counts, one that was reversed.
    floor.ask("withdraw", "request", "2", "500000", "BTC", "--reference", "wd 1")
    for step in ("approve", "sent", "done"):
        floor.ask("withdraw", step, "wd 1")
    floor.ask("withdraw", "request", "3", "700000", "ETH", "--reference", "wd 2")
    for name in ("tx 1", "tx 2"):
        floor.ask("deposit", "seen", "3", "900000", "ETH", "--reference", name)
        floor.ask("deposit", "credit", name)
    floor.ask("deposit", "reverse", "tx 2")
    return floor


def take_back(floor, *order_ids):
    """Take back the first trade of each of these orders, and follow the ledger's files; returns
    the trades' match numbers."""
    found = []
    for order_id in order_ids:
        _, events = floor.journal()
        fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] == order_id)]
        first = fills[0]
        found.append(int(first["seq"]) - (not first["flags"] & EventFlag.MAKER))
        floor.ask("bust", str(found[-1]))
    return found


def trade_at_random(floor, moments, seed):
    """Orders, replacements and cancellations of four participants, a few at each moment."""
    rng, number, open_ids, today = np.random.default_rng(seed), 20_000, [], "2024-10-01"
    for who in range(1, 5):
        for asset in ("USD", "BTC"):
            floor.ask("deposit", str(who), "1000000000000", "--asset", asset)
    for moment in moments:
        if moment[:10] != today:
            # A run of a venue ends with its day.
            floor.at(f"{today}T17:06")
            floor.stop()
            today = moment[:10]
            floor.at(moment)
            floor.open()
        floor.at(moment)
        floor.wait_for_phase("CONTINUOUS")
        for _ in range(25):
            number += 1
            who, side = int(rng.integers(1, 5)), Side(int(rng.integers(1, 3)))
            price, lots = 5_000_000 + int(rng.integers(-40, 40)) * 100, int(rng.integers(1, 60))
            row = in_market("BTC-USD", number, side, lots, price, who)
            if open_ids and rng.random() < 0.3:
                old, its_side, its_owner = open_ids[int(rng.integers(len(open_ids)))]
                row = in_market("BTC-USD", old, its_side, lots, price, its_owner)
                row["kind"] = CommandKind.CANCEL if rng.random() < 0.5 else CommandKind.REPLACE
            elif rng.random() < 0.15:
                row["time_in_force"] = TimeInForce.IOC
            elif rng.random() < 0.15:
                row["order_type"], row["aux"] = OrderType.STOP_LIMIT, price + 300
            else:
                open_ids.append((number, side, who))
            floor.send(row)


class ByHand:
    """Trades, orders and moved amounts by the events of a venue's journal alone, units of 1e-8."""

    def __init__(self, floor, collect="received"):
        self.collect, (commands, events) = collect, floor.journal()
        symbols = list(MARKETS)
        self.times = {seq: row["rx_ts_ns"] for seq, row in enumerate(commands, 1)}
        by_seq = dict(enumerate(commands, 1))
        waiting, self.trades, self.orders = defaultdict(list), [], {}
        self.fees, self.moved = defaultdict(int), defaultdict(int)
        self.cancelled = []
        for event in events:
            index = int(event["instrument"])
            symbol = symbols[index] if index < len(symbols) else ""
            if symbol not in MARKETS:
                continue
            self.event(event, symbol, by_seq[int(event["cause_seq"])], waiting)
        assert not any(waiting.values())

    def event(self, event, symbol, command, waiting):
        key, kind = int(event["order_id"]), event["kind"]
        if kind == EventKind.ACCEPTED:
            self.orders[key] = {
                "user": int(event["participant"]),
                "symbol": symbol,
                "filled": 0,
                "open": int(event["leaves_lots"]),
                "status": "OPEN",
                "type": OrderType(int(command["order_type"])).name,
            }
        elif kind in (EventKind.CANCELLED, EventKind.EXPIRED):
            self.orders[key]["status"] = "CANCELLED"
            self.cancelled.append(key)
        elif kind in (EventKind.REPLACED, EventKind.REDUCED):
            self.orders[key]["open"] = int(event["leaves_lots"])
        elif kind == EventKind.FILLED:
            own = self.orders[key]
            own["filled"] += int(event["qty_lots"])
            own["open"] = int(event["leaves_lots"])
            self.fill(event, symbol)
            pair = tuple(sorted((key, int(event["contra_id"])))), int(event["cause_seq"])
            waiting[pair].append(event)
            if len(waiting[pair]) == 2:
                self.trades.append((symbol, *waiting.pop(pair)))

    def fill(self, event, symbol):
        base, quote, lot, tick = MARKETS[symbol]
        who, qty = int(event["participant"]), int(event["qty_lots"])
        sign = 1 if event["side"] == Side.BUY else -1
        units, paid = qty * lot, qty * tick * int(event["price_ticks"])
        self.moved[who, base] += sign * units
        self.moved[who, quote] -= sign * paid
        rate = 0 if event["flags"] & MAKERS else TAKER_RATE
        in_base = sign > 0 and self.collect == "received"
        asset = base if in_base else quote
        fee = int((units if in_base else paid) * rate)
        self.fees[int(event["seq"]), who, asset] += fee

    def minute(self, event):
        """Return the minute of the command that caused it, as the questions write it."""
        at = datetime.fromtimestamp(int(self.times[int(event["cause_seq"])]) // 10**9, UTC)
        return at.replace(second=0, tzinfo=None).isoformat(" ")

    def status(self, key):
        one = self.orders[key]
        if one["status"] == "CANCELLED":
            return "CANCELLED"
        return "FILLED" if not one["open"] else "PARTIALLY_FILLED" if one["filled"] else "OPEN"


def in_decimals(units, asset):
    value = Decimal(units).scaleb(-DECIMALS[asset])
    return value.normalize() if value else Decimal(0)


def price(symbol, ticks):
    base, quote, lot, tick = MARKETS[symbol]
    exact = Fraction(ticks * tick * 10 ** DECIMALS[base], lot * 10 ** DECIMALS[quote])
    return Decimal(exact.numerator) / Decimal(exact.denominator)
