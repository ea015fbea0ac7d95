"""cocotb bench of outcry_gateway, beside bench_gateway.py: its rows, exact in every bit.

Run by test_gateway_rtl.py in one simulation with that one, whose ports and golden model it has.
"""

import math
import random

import cocotb
import numpy as np

from openoutcry.wire import ErrorBit
from openoutcry.wire.registers import (
    ROW_BITS,
    ROW_FIELDS,
    WAYS,
    row_image,
    slot_of,
)
from tests.support.gateway_fpga.orders import random_orders
from tests.support.gateway_fpga.patterns import pattern
from tests.system.gateway.bench_gateway import (
    OPEN_ROW,
    PATIENCE,
    SIGNED,
    SLOT_BITS,
    fields_of,
    good_orders,
    loaded,
    word_of,
)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def rows_of_any_bits_are_read_in_all_ways(dut, hold):
    """Rows full of random bits, and then of the opposite of each, stand in every way in turn;
    orders on and beside each of their numbers get the golden model's verdict, also when they wait
    beside the row."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 11))
    dice = random.Random(12)
    for n, way in enumerate([0, 1, 2] * 4):
        image = dice.getrandbits(576)
        fives = {name: dice.randint(1, 6) for name in ("price_fives", "qty_fives")}
        for flip in (0, 2**576 - 1):
            row = fields_of(image ^ flip)
            row |= {name: 7 - b if flip else b for name, b in fives.items()}
            if n % 2:  # numbers below zero have no edge for an order that is none itself
                row |= {name: value % 2**63 for name, value in row.items() if name in SIGNED}
            index = way * 2**SLOT_BITS + slot_of(row["symbol"], way, SLOT_BITS)
            await bench.write_slot(index, (image ^ flip) & ~_row_mask() | row_image(row))
            await bench.judge(_around(row, dice))
            await bench.write_slot(index, 0)
            await bench.judge(_around(row, dice)[:4])


@cocotb.test(**PATIENCE)
async def the_lowest_bit_at_every_place(dut):
    """Steps of each power of two, and numbers that have one zero less, just as many, and more: a
    power of two itself and any number, the price's and the quantity's apart, as an order that is
    refused for its price says nothing of its quantity."""
    bench = await loaded(dut)
    more = ((-1, 0), (-1, 2), (0, -1), (2, -1), (-1, -1), (0, 0), (1, 0), (2, 1))
    dice = random.Random(5)
    for twos in range(63):
        row = OPEN_ROW | {"symbol": 1 + twos, "price_twos": twos, "qty_twos": 62 - twos}
        await bench.write_row(0, row)
        orders = random_orders(len(more), twos)
        orders["kind"] = 1
        orders["symbol"] = row["symbol"].to_bytes(8, "little")
        for column, (name, zeros) in enumerate((("price_ticks", twos), ("qty_lots", 62 - twos))):
            odd = [dice.getrandbits(62) | 1 if n % 2 else 1 for n in range(len(more))]
            orders[name] = [
                (odd[n] << max(0, zeros + pair[column])) % 2**63 for n, pair in enumerate(more)
            ]
        await bench.judge(orders)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def a_row_is_exact_in_every_bit(dut, hold):
    """Rows that let one price and one quantity through, and rows with their lower or their upper
    ends one beside that, in every way, with steps of powers of two and whatever stands in the bits
    that are nobody's; last, the bits of a collar that are above every price."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 12))
    await bench.only_rows()
    dice = random.Random(16)
    for n in range(24):
        price_twos, qty_twos = dice.randint(0, 7), dice.randint(0, 7)
        price, qty = (
            (dice.getrandbits(dice.choice([63, 63, dice.randint(8, 63)])) >> twos | 2) << twos
            for twos in (price_twos, qty_twos)
        )
        nobodys = dice.getrandbits(ROW_BITS) & ~_row_mask()
        for above, below, reasons in ((0, 0, 0), (1, 0, 2), (0, 1, 4)):
            row = {
                "symbol": dice.getrandbits(64),
                "max_price_ticks": price - below,
                "min_qty_lots": qty + above,
                "max_qty_lots": qty - below,
                "collar_low": price * 10_000 + above,
                "collar_high": price * 10_000 - below,
                "notional_limit": price * qty - below,
                "price_twos": price_twos,
                "qty_twos": qty_twos,
            }
            await bench.write_row(n % WAYS, row_image(row) | nobodys)
            orders = good_orders(8, symbol=row["symbol"].to_bytes(8, "little"))
            orders["price_ticks"] = price + np.array([0, 1, -1, 0, 0] + [0] * 3)
            orders["qty_lots"] = qty + np.array([0, 0, 0, 1, -1] + [0] * 3)
            got = await bench.judge(orders)
            assert got["error_code"][0].item().bit_count() == reasons
    for way in range(WAYS):
        for bit in (77, 78, 79):
            symbol = bytes([way + 1, bit])
            for field in ("collar_low", "collar_high"):
                row = OPEN_ROW | {"symbol": word_of(symbol), field: 1 << bit}
                await bench.write_row(way, row)
                await bench.judge(good_orders(1, symbol=symbol, price_ticks=1, qty_lots=1))


@cocotb.test(**PATIENCE)
async def a_symbol_is_exact_in_every_bit(dut):
    """Where an order looks stands the row of a symbol that is another in one bit only, each bit in
    turn, in every way: the order's symbol is unknown, and the row's own is found in its place."""
    bench = await loaded(dut)
    await bench.only_rows()
    dice = random.Random(23)
    for bit in range(64):
        way = bit % WAYS
        symbol = dice.getrandbits(64) | 1
        other = symbol ^ 1 << bit or symbol
        index = way * 2**SLOT_BITS + slot_of(other, way, SLOT_BITS)
        await bench.write_slot(index, row_image(OPEN_ROW | {"symbol": symbol}))
        orders = good_orders(2, price_ticks=8, qty_lots=8)
        orders["symbol"] = [word.to_bytes(8, "little") for word in (other, other ^ 1 << 63 - bit)]
        assert (await bench.judge(orders))["error_code"][0] == 1 << ErrorBit.SYMBOL
        own = way * 2**SLOT_BITS + slot_of(symbol, way, SLOT_BITS)
        await bench.write_slot(own, row_image(OPEN_ROW | {"symbol": symbol}))
        orders["symbol"][0] = symbol.to_bytes(8, "little")
        assert (await bench.judge(orders))["error_code"][0] == 0
        await bench.write_slot(index, 0)
        await bench.write_slot(own, 0)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def a_notional_is_exact(dut, hold):
    """A limit is the product of many small primes, which are parted between price and quantity in
    many ways: each pair is just on it, and just above one that is lower by one, in every way."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 9))
    await bench.only_rows()
    dice = random.Random(14)
    for bits, count in ((124, 240), (110, 60), (90, 60)):
        primes = []
        while math.prod(primes) < 2**bits:
            primes.append(dice.choice([2, 3, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31]))
        limit = math.prod(primes)
        symbols = []
        for way in range(WAYS):
            for short in (0, 1):
                symbols.append(bytes([way + 1, short + 1, bits]))
                row = {"symbol": word_of(symbols[-1]), "notional_limit": limit - short}
                await bench.write_row(way, OPEN_ROW | row)
        prices = []
        while len(prices) < count:
            dice.shuffle(primes)
            price = math.prod(primes[: dice.randint(1, len(primes))])
            if price < 2**63 and limit // price < 2**63:
                prices.append(price)
        orders = good_orders(len(prices) * len(symbols), symbol=symbols * len(prices))
        orders["price_ticks"] = np.repeat(prices, len(symbols))
        orders["qty_lots"] = np.repeat([limit // price for price in prices], len(symbols))
        got = await bench.judge(orders)
        over = got["error_code"] >> ErrorBit.NOTIONAL & 1
        assert over.tolist() == [0, 1] * (len(orders) // 2)


@cocotb.test(**PATIENCE)
async def what_is_left_of_a_limit_has_any_one_bit(dut):
    """The notional is below its limit by each power of two of the upper half."""
    bench = await loaded(dut)
    await bench.only_rows()
    symbols = [b"LEFT0", b"LEFT1", b"LEFT2"]
    for way, symbol in enumerate(symbols):
        row = {"symbol": word_of(symbol), "notional_limit": 2**125}
        await bench.write_row(way, OPEN_ROW | row)
    # Times 2^62: the upper half of the notional is the quantity divided by four.
    qtys = [2**63 - 4 * 2**bit + low for bit in range(61) for low in (0, 1)]
    orders = good_orders(3 * len(qtys), symbol=symbols * len(qtys), price_ticks=2**62)
    orders["qty_lots"] = np.repeat(qtys, 3)
    got = await bench.judge(orders)
    assert not np.any(got["error_code"])


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "bursts"])
async def the_rate_at_every_edge(dut, hold):
    """Each order comes just when its participant's bucket lets it through or empties, or one bit
    beside that, one to four behind another of the same participant."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 10))
    await bench.step(lambda d: d.check_participants(False))
    dice = random.Random(15)
    everybody = (1, 2, 3)
    for _ in range(16):
        interval_ns = dice.choice([dice.getrandbits(32), dice.randint(1, 9)])
        burst_ns = dice.getrandbits(32)
        await bench.step(lambda d, i=interval_ns, b=burst_ns: d.set_rate(i, b))
        await bench.step(lambda d: [d.set_participant(who, True) for who in everybody])
        bucket_ns = {}
        orders = good_orders(100)
        for order in orders:
            who = dice.choice([1, 1, 1, 2, 2, 3])
            if who in bucket_ns:
                edge = bucket_ns[who] - dice.choice([0, burst_ns])
                beside = dice.choice([0, 0, 1, 2 ** dice.randint(0, 61)])
                now_ns = dice.choice([edge - beside, edge ^ beside])
                now_ns = min(2**62 - 1, max(0, now_ns))
            else:
                now_ns = dice.getrandbits(61)
            if now_ns + burst_ns >= bucket_ns.get(who, 0):
                bucket_ns[who] = max(bucket_ns.get(who, 0), now_ns) + interval_ns
            order["participant"], order["rx_ts_ns"] = who, now_ns
        got = await bench.judge(orders)
        assert set((got["error_code"] >> ErrorBit.RATE & 1).tolist()) == {0, 1}


def _row_mask():
    return sum(2**field.bits - 1 << field.low for field in ROW_FIELDS)


def _around(row, dice):
    """Orders for the row's symbol with prices and quantities on and beside its numbers."""
    orders = random_orders(36, dice.getrandbits(30))
    near = [row["max_price_ticks"] + d for d in (-1, 0, 1)]
    near += [row[name] // 10_000 + d for name in ("collar_low", "collar_high") for d in (0, 1)]
    near += [2 ** row["price_twos"] * 5 ** row["price_fives"] * n for n in (1, 3)]
    lots = [row[name] + d for name in ("min_qty_lots", "max_qty_lots") for d in (-1, 0, 1)]
    lots += [2 ** row["qty_twos"] * 5 ** row["qty_fives"] * n for n in (1, 3)]
    orders["symbol"] = row["symbol"].to_bytes(8, "little")
    for name, values in (("price_ticks", near), ("qty_lots", lots)):
        fit = [value for value in values if -(2**63) <= value < 2**63]
        orders[name][:24] = (dice.sample(fit, len(fit)) * 24)[:24]
    orders["kind"][:30] = 1
    return orders


@cocotb.test(**PATIENCE)
@cocotb.parametrize(check=[False, True])
async def the_rate_at_the_end_of_time(dut, check):
    """Orders at the last nanoseconds of the 62 bits, with the longest interval and burst: the
    bucket's last bit is set and cleared, and two in a row meet in every rank."""
    bench = await loaded(dut)
    await bench.step(lambda d: d.check_participants(check))
    end_ns = 2**62 - 1
    for interval_ns, burst_ns in ((2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (1, 2**32 - 1)):
        await bench.step(lambda d, i=interval_ns, b=burst_ns: d.set_rate(i, b))
        orders = random_orders(60, interval_ns % 1_000 + burst_ns % 1_000)
        orders["kind"] = 1
        dice = random.Random(interval_ns)
        orders["participant"] = [dice.choice([0, 1, 1, 1, 2]) for _ in orders]
        orders["rx_ts_ns"] = [dice.choice([0, end_ns, end_ns, -1, end_ns - 2**32]) for _ in orders]
        await bench.judge(orders)
        await bench.step(
            lambda d: [d.set_participant(participant, True) for participant in (0, 1, 2)]
        )
        await bench.judge(orders[::-1].copy())


@cocotb.test(**PATIENCE)
async def rows_that_differ_in_one_field_are_told_apart(dut):
    """Each field of a row alone makes an order pass or fail, walking over its bits, with the row
    in each of the three ways in turn."""
    bench = await loaded(dut)
    order = good_orders(1, symbol=b"PLAIN", participant=1)
    base = OPEN_ROW | {"symbol": word_of(b"PLAIN")}
    await bench.only_rows()
    await bench.step(lambda d: d.clear())
    places = bench.golden_driver._places(base["symbol"])
    for field in ROW_FIELDS[1:]:
        step = 1 if field.bits < 8 else max(1, field.bits // 9)
        for bit in range(0, field.bits, step):
            row = base | {field.name: 1 << bit}
            if field.name.endswith("_fives"):
                row[field.name] = bit + 1
            if field.name in SIGNED and bit == 63:
                row[field.name] = -(2**63)

            places = [*places[1:], places[0]]
            await bench.write_slot(places[0], 0)
            await bench.write_slot(places[1], row_image(row))
            probes = np.repeat(order, 8)
            near = max(1, min(2**63 - 2, row[field.name] if field.bits > 8 else 1 << bit))
            if field.name == "collar_low" or field.name == "collar_high":
                near = min(2**63 - 2, (1 << bit) // 10_000 + 1)
            if field.name == "notional_limit":
                probes["price_ticks"] = 1 << bit // 2
                probes["qty_lots"] = (1 << (bit - bit // 2)) + np.array([-1, 0, 1, 2] * 2)
            else:
                probes["price_ticks"] = near + np.array([-1, 0, 1, 0, 0, 0, 5, 25])
                probes["qty_lots"] = near + np.array([0, 0, 0, -1, 0, 1, 5, 25])
            await bench.judge(probes)


@cocotb.test(**PATIENCE)
async def steps_of_fives_of_any_number(dut):
    """Multiples of 5 to the power of six over all 63 bits, and numbers beside them, in each way."""
    bench = await loaded(dut)
    await bench.only_rows()
    dice = random.Random(21)
    for way in range(WAYS):
        symbol = bytes([way + 1, 56])
        row = {"symbol": word_of(symbol), "price_fives": 6, "qty_fives": 6}
        index = way * 2**SLOT_BITS + slot_of(word_of(symbol), way, SLOT_BITS)
        await bench.write_slot(index, row_image(OPEN_ROW | row))
        orders = good_orders(60, symbol=symbol)
        for name in ("price_ticks", "qty_lots"):
            orders[name] = [
                5**6 * dice.randint(1, 2**63 // 5**6 - 1) + dice.choice([0, 0, 1, 5, 5**5])
                for _ in orders
            ]
        codes = (await bench.judge(orders))["error_code"]
        for bit in (ErrorBit.PRICE_STEP, ErrorBit.QTY_STEP):
            assert set((codes >> bit & 1).tolist()) == {0, 1}
        await bench.write_slot(index, 0)


@cocotb.test(**PATIENCE)
async def each_power_of_five_is_a_step(dut):
    """For each power in each way: multiples of it, and of the next lower power alone, the price's
    and the quantity's apart."""
    bench = await loaded(dut)
    await bench.only_rows()
    dice = random.Random(22)
    for way in range(WAYS):
        for power in range(1, 7):
            symbol = bytes([way + 1, power])
            row = {"symbol": word_of(symbol), "price_fives": power, "qty_fives": power}
            await bench.write_row(way, OPEN_ROW | row)
            orders = good_orders(16, symbol=symbol)
            step = 5**power
            off = [0] * 8 + [step // 5 * dice.randint(1, 4) for _ in range(8)]
            for name, more in (("price_ticks", off), ("qty_lots", off[::-1])):
                orders[name] = [
                    step * dice.randint(1, (2**63 - step) // step) + beside for beside in more
                ]
            codes = (await bench.judge(orders))["error_code"]
            assert (codes >> ErrorBit.PRICE_STEP & 1).tolist() == [0] * 8 + [1] * 8
            assert (codes >> ErrorBit.QTY_STEP & 1).tolist() == [1] * 8 + [0] * 8
