"""The Verilated gateway as a library: RTL and golden model bit for bit, and the registers of both.

One driver speaks to both through the same calls.
"""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.gateway_fpga import Limits, Settings, make_rules, validate_orders
from openoutcry.gateway_fpga.call import call_batch
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import BusError, DeviceError, GatewayDriver
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.gateway_fpga.live import device as library
from openoutcry.gateway_fpga.tools import evidence
from openoutcry.wire import CommandKind, ErrorBit, make_instruments
from openoutcry.wire.kernel import kernel
from openoutcry.wire.registers import ADDRESS, MAX_SYMBOLS, REGISTERS, WINDOW_BYTES
from tests.support.gateway_fpga import measure_live
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS, random_orders


def test_rtl_equals_golden_on_random_orders() -> None:
    """300,000 boundary-biased orders with every setting on, and with none: no bit differs."""
    for settings, seed in ((SETTINGS, 1), (Settings(), 2), (Settings(rate_interval_ns=1), 3)):
        orders = random_orders(100_000, seed, settings)
        golden, rtl = orders.copy(), orders.copy()
        rejected = validate_orders(golden, make_rules(INSTRUMENTS, settings))
        assert LiveGateway.loaded(INSTRUMENTS, settings).validate(rtl) == rejected
        differ = np.flatnonzero(golden["error_code"] != rtl["error_code"])
        assert differ.size == 0, (orders[differ[0]], golden[differ[0]], rtl[differ[0]])
        assert golden.tobytes() == rtl.tobytes()


def test_random_orders_reach_every_verdict() -> None:
    """Each reason, and every pair of reasons that can stand together, is among the random orders:
    what agrees there has been tried."""
    orders = random_orders(300_000, 1)
    validate_orders(orders, make_rules(INSTRUMENTS, SETTINGS))
    codes = np.unique(orders["error_code"])
    for one in ErrorBit:
        assert np.any(codes >> one & 1 == 1), one
        assert np.any(codes == 0)
    impossible = {
        frozenset(pair)
        for pair in [
            *((ErrorBit.PRICE_NOT_POSITIVE, x) for x in (ErrorBit.PRICE_STEP, ErrorBit.COLLAR)),
            (ErrorBit.PRICE_NOT_POSITIVE, ErrorBit.NOTIONAL),
            *((ErrorBit.QTY_NOT_POSITIVE, x) for x in (ErrorBit.QTY_STEP, ErrorBit.NOTIONAL)),
            (ErrorBit.QTY_NOT_POSITIVE, ErrorBit.QTY_OUT_OF_LIMITS),
            *(
                (ErrorBit.SYMBOL, x)
                for x in (
                    ErrorBit.PRICE_ABOVE_LIMIT,
                    ErrorBit.QTY_OUT_OF_LIMITS,
                    ErrorBit.PRICE_STEP,
                    ErrorBit.QTY_STEP,
                    ErrorBit.COLLAR,
                    ErrorBit.NOTIONAL,
                    ErrorBit.HALTED,
                )
            ),
            # A kind that is wrong is asked for nothing else but its symbol and, of a mass cancel,
            # its side.
            *(
                (ErrorBit.KIND, x)
                for x in ErrorBit
                if x not in (ErrorBit.KIND, ErrorBit.SYMBOL, ErrorBit.SIDE)
            ),
        ]
    }
    seen = set()
    for code in codes.tolist():
        bits = [bit for bit in ErrorBit if code >> bit & 1]
        seen |= {frozenset((a, b)) for a in bits for b in bits if a < b}
    every = {frozenset((a, b)) for a in ErrorBit for b in ErrorBit if a < b}
    assert every - impossible - seen == set()
    assert seen & impossible == set()


@pytest.fixture
def both() -> Any:
    """A driver on the RTL and one on the golden model."""
    rtl, golden = LiveGateway(), GoldenDevice()
    yield (GatewayDriver(rtl), rtl), (GatewayDriver(golden), golden)
    rtl.close()


def verdicts(both: Any, orders: np.ndarray) -> list[int]:
    """The verdicts of both, which must be the same."""
    codes = []
    for _, device in both:
        judged = orders.copy()
        device.validate(judged)
        codes.append(judged["error_code"].tolist())
    assert codes[0] == codes[1]
    return codes[0]


def test_settings_changed_between_orders_act_alike(both: Any) -> None:
    """Halts, limits, participants, rates and symbols come and go; both devices follow."""
    for driver, _ in both:
        driver.load(INSTRUMENTS, SETTINGS)
    orders = random_orders(2_000, 5)
    steps = [
        lambda d: d.halt(b"PLAIN"),
        lambda d: d.halt(b"PLAIN", False),
        lambda d: d.set_limits(b"WIDE", Limits(2**53, 1, 2**60)),
        lambda d: d.set_participant(1, False),
        lambda d: d.set_participant(4, True),
        lambda d: d.check_participants(False),
        lambda d: d.remove_symbol(b"STEPS"),
        lambda d: d.set_rate(0, 0),
        lambda d: d.set_rate(5, 2**32 - 1),
        lambda d: d.set_symbol(INSTRUMENTS[1]),
        lambda d: d.clear(),
    ]
    before = verdicts(both, orders)
    for step in steps:
        for driver, _ in both:
            step(driver)
        after = verdicts(both, orders)
        assert after != before
        before = after
    counts = [(driver.orders(), driver.reasons(), driver.bad_accesses()) for driver, _ in both]
    assert counts[0] == counts[1]
    assert counts[0][0] == 2_000 * (len(steps) + 1)


def answer(device: Any, what: str, address: int, value: int) -> str:
    try:
        return f"{device.read(address):x}" if what == "read" else str(device.write(address, value))
    except BusError as error:
        return str(error)


def test_every_address_answers_alike(both: Any) -> None:
    """The whole window, read and written with two values: same answers, same contents, same count
    of errors; nothing hangs."""
    transcript = []
    for _, device in both:
        lines = []
        for address in range(0, WINDOW_BYTES, 4):
            for what, value in (("write", 0xFFFFFFFF), ("read", 0), ("write", 5), ("read", 0)):
                lines.append((address, what, answer(device, what, address, value)))
        lines.append((0, "bad", str(device.read(ADDRESS["bad_access_count"]))))
        transcript.append(lines)
    assert transcript[0] == transcript[1]
    nowhere = [line for line in transcript[0] if "DECERR" in line[2]]
    assert len(nowhere) == 4 * (WINDOW_BYTES // 4 - sum(r.count for r in REGISTERS))


@pytest.mark.parametrize("seed", [1, 2, 3, 1_000, 2**31 - 1])
def test_whatever_flip_flops_hold_at_power_up_no_verdict_changes(seed: int) -> None:
    """Ten thousand orders with every setting on, from other random bits each time."""
    orders = random_orders(10_000, 1)
    golden = orders.copy()
    validate_orders(golden, make_rules(INSTRUMENTS, SETTINGS))
    gateway = LiveGateway.loaded(INSTRUMENTS, SETTINGS, seed)
    gateway.validate(orders)
    gateway.close()
    assert orders.tobytes() == golden.tobytes()


def test_a_reset_closes_the_gateway_until_software_arms_it() -> None:
    """A warm reset keeps the symbol table and clears the settings: without the armed bit, orders
    that the kill switch or a rate refused would pass."""
    entries = [CommandKind.NEW, CommandKind.REPLACE, CommandKind.SET_EXPIRY]
    orders = random_orders(5_000, 4)
    entering = np.isin(orders["kind"], [int(kind) for kind in entries])
    gateway = LiveGateway()
    driver = GatewayDriver(gateway)
    assert not driver.armed()
    driver.load(INSTRUMENTS, SETTINGS)
    assert driver.armed()
    gateway.reset()
    assert not GatewayDriver(gateway).armed()
    closed = orders.copy()
    gateway.validate(closed)
    off = closed["error_code"] >> ErrorBit.PARTICIPANT & 1
    assert np.array_equal(off, entering)
    # What takes away from the book still passes: the table has its symbols.
    assert np.count_nonzero(closed["error_code"][~entering] == 0) > 100
    driver.load(INSTRUMENTS, SETTINGS)
    golden = orders.copy()
    validate_orders(golden, make_rules(INSTRUMENTS, SETTINGS))
    gateway.validate(orders)
    assert orders.tobytes() == golden.tobytes()
    gateway.close()


def test_a_full_table_of_1024_symbols(both: Any) -> None:
    """As many symbols as the hardware promises, each with its own row, in both."""
    table = make_instruments(
        [{"symbol": f"S{n:05d}", "max_price_ticks": n + 1} for n in range(MAX_SYMBOLS)]
    )
    for driver, _ in both:
        driver.load(table)
    orders = np.repeat(random_orders(1, 1), 2 * MAX_SYMBOLS)
    for name, value in {"kind": 1, "side": 1, "order_type": 1, "time_in_force": 1}.items():
        orders[name] = value
    orders["qty_lots"] = 1
    orders["symbol"] = np.repeat(table["symbol"], 2)
    orders["price_ticks"] = np.repeat(table["max_price_ticks"], 2)
    orders["price_ticks"][1::2] += 1
    assert verdicts(both, orders) == [0, 1 << ErrorBit.PRICE_ABOVE_LIMIT] * MAX_SYMBOLS


def test_more_symbols_than_rows_are_refused_by_name() -> None:
    """4,096 instruments do not fit; the message says how full the table is."""
    table = make_instruments([f"S{n}" for n in range(4_096)])
    with pytest.raises(DeviceError, match="no place for another symbol"):
        LiveGateway.loaded(table)


@kernel
def judge(function: int, handle: int, orders_addr: int, count: int) -> int:
    """What the pipeline does: call the RTL from a kernel."""
    return call_batch(function, handle, orders_addr, count)


def test_a_kernel_calls_the_rtl() -> None:
    """Called by address from compiled code, the RTL gives the same verdicts as from Python."""
    orders = random_orders(1_000, 9)
    golden = orders.copy()
    rejected = validate_orders(golden, make_rules(INSTRUMENTS, SETTINGS))
    gateway = LiveGateway.loaded(INSTRUMENTS, SETTINGS)
    got = judge(gateway.function, gateway.handle, orders.ctypes.data, len(orders))
    assert got == rejected
    assert orders.tobytes() == golden.tobytes()


def test_another_host_builds_its_own_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library has the processor's own instructions, and a cache folder may go with a home."""
    here = library._key(["/usr/bin/g++"])
    assert library._key(["/usr/bin/clang++", "/usr/bin/g++"]) != here
    monkeypatch.setattr(library, "host", lambda: "another")
    assert library._key(["/usr/bin/g++"]) != here


def test_a_host_is_distinguished_from_others_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """By family and model; where the kernel says nothing, by its architecture."""
    cpuinfo = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
    monkeypatch.setattr(library.Path, "read_text", lambda path: cpuinfo)
    assert library.host() == "AMD EPYC (family 25, model 1)"
    monkeypatch.setattr(library.Path, "read_text", lambda path: "Processor\t: ARMv7\n")
    assert library.host() == platform.machine()


def test_rates_of_another_host_stay_in_the_evidence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The row of a host and a compiler takes the place of its own last one, and of no other."""
    monkeypatch.setattr(evidence, "EVIDENCE", tmp_path / "fpga.json")
    monkeypatch.setattr(measure_live, "pipeline", dict)
    made_by = [("one", "g++"), ("two", "g++"), ("one", "clang"), ("one", "g++")]
    for rate, (host, compiler) in enumerate(made_by):
        monkeypatch.setattr(measure_live, "host", lambda host=host: host)
        monkeypatch.setattr(LiveGateway, "compiler", compiler)
        monkeypatch.setattr(measure_live, "throughput", lambda rate=rate: {"rate": rate})
        measure_live.measure_live()
    rows = evidence.read_evidence()["live"]["figures"]["hosts"]
    rates = [(row["host"], row["compiler"], row["rate"]) for row in rows]
    assert rates == [("one", "g++", 3), ("one", "clang", 2), ("two", "g++", 1)]
