"""Bytes of a network in front of a page that faults: does a kernel read one byte too many?

    python -m tests.support.adversary.guard_fuzz --inputs 1000000 [--seed 1] [--evidence FILE]

Kernels have no bounds, and an address sanitizer does not see into them.  So each input (right
messages changed, cut, joined, made longer, and plain noise) ends where a page begins that may not
be touched, and so does what the kernel writes.  What FIX's text kernels may read behind a message,
64 bytes, is filled with two different things, and nothing may follow from them.  A child does it;
if it dies the parent says on which input.
"""

import argparse
import faulthandler
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim import authentication as auth
from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.packets import build_packets, parse_packet
from openoutcry.market_data import lines, mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.order_entry import command_metadata, ouch42, ouch50, soupbin
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import scan, session
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.errors import FeedError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes
from openoutcry.wire.messages import OUCH50
from tests.oracles.fix_acceptor import ROOM, FixSession
from tests.oracles.order_entry import fix as reference
from tests.support.adversary.disasters import add_evidence
from tests.support.market_data.feed_support import flow
from tests.support.order_entry.fix_codec import NOW_NS, Codec
from tests.support.order_entry.ouch42_messages import cancel, enter, modify, replace
from tests.support.order_entry.ouch_support import Session, unsequenced
from tests.support.risk.guarded import Guarded

ORDER_BYTES = ORDER_DTYPE.itemsize
FIX_SLACK = (b"\x01" * 64, b"10=999\x018=" + b"=" * 55)
"""What stands behind a message of FIX: ends of fields, and what could be its check sum."""
SHOWN = 1 << 16


class Target:
    """Kernels that read bytes of a network."""

    def __init__(self) -> None:
        self.memory, self.order, self.metadata = Guarded(), Guarded(), Guarded()

    def samples(self, rng: random.Random) -> list[bytes]:
        """What a well-behaved peer sends."""
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        """Let the kernels have the bytes; an assertion fails if what they say cannot be."""
        raise NotImplementedError


class Soupbin(Target):
    """Frames and kinds of SoupBinTCP, and OUCH in them."""

    def __init__(self, codec: Any, session_index: int = 3) -> None:
        super().__init__()
        self.codec = codec
        self.session = Session(codec, index=session_index)
        self.block = self.session.block.copy()

    def samples(self, rng: random.Random) -> list[bytes]:
        login = soupbin.login_packet(soupbin.LoginRequest("alice", "secret", "", 7))
        newer = soupbin.login_packet(soupbin.LoginRequest("bob", "word", "x", 0, 15_000))
        plain = [soupbin.CLIENT_HEARTBEAT, soupbin.LOGOUT_REQUEST, soupbin.packet("+", b"hello")]
        return [login, newer, *plain, *map(unsequenced, self.messages(rng))]

    def messages(self, rng: random.Random) -> list[bytes]:
        token = f"T{rng.randrange(1000)}"
        return [enter(token=token, side=rng.choice("BSTE")), replace(), cancel(), modify("T", 9)]

    def feed(self, data: bytes) -> None:
        at, left = self.memory.put(data), len(data)
        while left > 0:
            size = soupbin.frame(at, left)
            assert size <= left
            if size <= 0:
                return
            whole = self.memory.put(data[len(data) - left :][:size])
            kind = soupbin.classify(whole, size)
            if kind == Kind.APPLICATION:
                self.session.block[:] = self.block
                order = self.order.room(ORDER_BYTES)
                metadata = self.metadata.put(b"\xa5" * command_metadata.METADATA_BYTES)
                code = self.codec.decode(whole, size, self.session.address, order, metadata)
                assert code == Kind.APPLICATION or code <= 0 or code == Kind.IGNORE, code
            left -= size
            at = self.memory.put(data[len(data) - left :]) if left else 0


class Ouch50(Soupbin):
    """OUCH 5.0, whose messages end in options."""

    def messages(self, rng: random.Random) -> list[bytes]:
        good = {
            "user_ref": rng.randrange(1, 9),
            "side": "B",
            "quantity": 100,
            "symbol": "AAPL",
            "price": 1_891_000,
            "time_in_force": "0",
            "display": "Y",
            "capacity": "A",
            "iso": "N",
            "cross": "N",
            "clordid": "mine-1",
        }
        extra = b"".join(
            bytes([len(value) + 1, rng.randrange(1, 26)]) + value
            for value in (rng.randbytes(rng.choice((1, 2, 4, 8))) for _ in range(rng.randrange(4)))
        )
        entered = OUCH50.from_client("O").pack(**good, appendage_bytes=len(extra)) + extra
        other = (
            OUCH50.from_client("U").pack(
                orig_user_ref=1,
                user_ref=2,
                quantity=80,
                price=1,
                time_in_force="0",
                display="Y",
                iso="N",
                clordid="mine-2",
                appendage_bytes=len(extra),
            )
            + extra
        )
        return [entered, other, OUCH50.from_client("X").pack(user_ref=5, quantity=3)]


class Fix(Target):
    """Frames, fields, the session layer and the orders of FIX 4.4."""

    TIME = "20231114-22:13:20.123"

    def __init__(self) -> None:
        super().__init__()
        self.codec = Codec()
        self.session = FixSession("VENUE", "FIRM")
        self.out = Guarded(ROOM + 64)
        session.connected(self.session.address, NOW_NS)
        self.fresh = self.session.words.copy()
        logon = reference.message([(35, "A"), *self._head(1), (98, "0"), (108, "30")])
        self._session_takes(self.memory.put(logon, bytes(64)), len(logon))
        self.active = self.session.words.copy()

    def _head(self, number: int) -> list[tuple[int, str]]:
        return [(34, str(number)), (49, "FIRM"), (52, self.TIME), (56, "VENUE")]

    def samples(self, rng: random.Random) -> list[bytes]:
        head = self._head(rng.choice((1, 2, 2, 2, 7)))
        order = [
            (11, "C1"), (55, "GOLD"), (54, "1"), (38, "100"), (40, rng.choice("12P34")),
            (44, "12.34"), (60, self.TIME), (59, rng.choice("01346")), (18, "6 M"), (1, "ACC"),
            (432, "20231231"), (126, self.TIME), (211, "-0.5"), (110, "5"), (7928, "1"),
        ]  # fmt: skip
        orders = [
            [(35, "D"), *head, *rng.sample(order, rng.randrange(5, len(order)))],
            [(35, "D"), *head, *order[:7]],
            [(35, "F"), *head, (41, "C1"), *order[:3], (60, self.TIME)],
            [(35, "G"), *head, (41, "C1"), *order[:7]],
            [(35, "q"), *head, (11, "M1"), (530, "7"), (60, self.TIME)],
            [(35, "H"), *head, (11, "C1"), (55, "GOLD"), (54, "1")],
            [(35, "AF"), *head, (584, "S1"), (585, "7")],
        ]
        admin = [
            [(35, "A"), *head, (98, "0"), (108, "30"), (95, "3"), (96, "a\x01b")],
            [(35, "0"), *head],
            [(35, "1"), *head, (112, "T")],
            [(35, "2"), *head, (7, "1"), (16, "0")],
            [(35, "4"), *head, (123, "Y"), (36, "9")],
            [(35, "3"), *head, (45, "2")],
            [(35, "5"), *head, (58, "bye")],
        ]
        return [reference.message(fields) for fields in (*orders, *orders, *admin)]

    def feed(self, data: bytes) -> None:
        runs = [self._take(data, slack) for slack in FIX_SLACK]
        assert runs[0] == runs[1], "what stands behind a message decides nothing"

    def _take(self, data: bytes, slack: bytes) -> list[Any]:
        outputs: list[Any] = []
        while data:
            size = scan.frame(self.memory.put(data, slack), len(data))
            assert size <= len(data)
            outputs.append(size)
            if size <= 0:
                break
            at = self.memory.put(data[:size], slack)
            self.session.words[:] = self.active if len(outputs) % 2 else self.fresh
            outputs += self._session_takes(at, size)
            if scan.parse(self.codec.fields.ctypes.data, at, size) == scan.WHOLE:
                order, metadata = (
                    self.order.room(ORDER_BYTES + 8),
                    self.metadata.room(command_metadata.METADATA_BYTES + 8),
                )
                outputs.append(fix_decode.decode(at, size, self.codec.address, order, metadata))
                outputs += [
                    self.order.read(ORDER_BYTES + 8),
                    self.metadata.read(command_metadata.METADATA_BYTES + 8),
                ]
            data = data[size:]
        return outputs

    def _session_takes(self, at: int, size: int) -> list[Any]:
        one = self.session
        parsed = scan.parse(one.fields.ctypes.data, at, size)
        out = self.out.end - ROOM - 8
        result = session.on_parsed(one.address, at, size, NOW_NS, out, ROOM)
        return [parsed, int(result)]


class Packets(Target):
    """The packets of the network ports, as they are and authenticated."""

    KEY = bytes(range(32))

    def __init__(self) -> None:
        super().__init__()
        self.sessions = auth.Sessions([auth.PacketSession(7, self.KEY)])
        self.shim = native.load()
        self.table = self.shim.ffi.cast("char *", self.sessions.address)
        self.out = Guarded()

    def samples(self, rng: random.Random) -> list[bytes]:
        orders = np.zeros(rng.randrange(1, 23), ORDER_DTYPE)
        (packet,) = build_packets(orders, 7, rng.randrange(1, 1 << 40), 0)
        return [packet, auth.seal(self.KEY, packet, 5), packet[:40]]

    def feed(self, data: bytes) -> None:
        at, out = self.memory.put(data), self.out.room(22 * ORDER_BYTES)
        count = parse_packet(at, len(data), int(PacketKind.ORDERS), out)
        assert count <= 22
        packet = self.shim.ffi.cast("char *", at)
        size = self.shim.lib.oc_unseal(self.table, packet, len(data), bytes(16))
        assert size < len(data) or not data


class MarketData(Target):
    """MoldUDP64's packets, and ITCH becoming a book."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[bytes] = []
        for seed in range(8):
            run, events, rx_ts_ns = flow(seed, 40)
            feed = Feed(run.instruments, run.order_capacity)
            self.streams.append(bytes(feed.encode(events, rx_ts_ns, 1)))
        self.book, self.fed = Book(orders=64), 0

    def samples(self, rng: random.Random) -> list[bytes]:
        stream = rng.choice(self.streams)
        at = self.memory.put(stream)
        begin = lines.skip(at, len(stream), rng.randrange(40))
        return [stream[begin:][: rng.randrange(1, 400)]]

    def feed(self, data: bytes) -> None:
        at, size = self.memory.put(data), len(data)
        fitting = mold.fitting(at, size, 1 + size // 2)
        assert fitting & (1 << mold.COUNT_SHIFT) - 1 <= 1 + size // 2
        assert lines.skip(at, size, 1 + size % 7) <= size
        self.fed += 1
        if self.fed % 64 == 1:
            self.book.clear()  # costs more than all else
        view = self.memory.bytes[len(self.memory.bytes) - size :]
        try:
            self.book.apply(view.data)  # type: ignore[arg-type]
        except FeedError:
            return


@kernel
def _reads_on(at: int, size: int) -> int:
    return Bytes(at)[size]


class Overrun(Target):
    """A fault that is there: the fuzz would notice."""

    def samples(self, rng: random.Random) -> list[bytes]:
        return [b"x"]

    def feed(self, data: bytes) -> None:
        _reads_on(self.memory.put(data), len(data))


TARGETS: dict[str, Callable[[], Target]] = {
    "SoupBinTCP and OUCH 4.2": lambda: Soupbin(ouch42),
    "SoupBinTCP and OUCH 5.0": lambda: Ouch50(ouch50),
    "FIX 4.4": Fix,
    "packets": Packets,
    "MoldUDP64 and ITCH 5.0": MarketData,
}


def damaged(rng: random.Random, samples: list[bytes]) -> bytes:
    """One input."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
        way, at = rng.randrange(8), rng.randrange(len(data) + 1)
        if way == 0 and data:
            data[rng.randrange(len(data))] = rng.choice((0, 1, 45, 46, 48, 57, 61, 127, 255))
        elif way == 1 and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif way == 2:
            del data[at:]
        elif way == 3:
            del data[:at]
        elif way == 4:
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif way == 5:
            data += rng.choice(samples)
        elif way == 6:
            del data[at : at + rng.randrange(1, 9)]
        else:
            data[at:at] = data[at : at + rng.randrange(1, 30)]
    return bytes(data[:4096]) if rng.random() < 0.98 else rng.randbytes(rng.randrange(600))


def refit(rng: random.Random, data: bytes) -> bytes:
    """As :func:`damaged` left it, or with a length and a check sum that fit again, so that what
    lies behind those checks has its turn."""
    if data[:2] == b"8=" and rng.random() < 0.7:
        begin = data.find(b"\x0135=") + 1
        body = data[begin : max(begin, len(data) - 7)]
        whole = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
        return whole + b"10=%03d\x01" % (sum(whole) % 256)
    if data[2:3] == b"U" and rng.random() < 0.7:
        return (len(data) - 2).to_bytes(2, "big") + data[2:]
    return data


def fuzz(make: Callable[[], Target], inputs: int, seed: int) -> str:
    """Run in a child; what is wrong, empty if nothing is."""
    shown = mmap.mmap(-1, SHOWN)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            rng, target, samples = random.Random(seed), make(), list[bytes]()
            for number in range(inputs):
                if number % 64 == 0:
                    samples = target.samples(rng)
                data = refit(rng, damaged(rng, samples))
                shown[: 12 + len(data)] = struct.pack("<QI", number, len(data)) + data
                target.feed(data)
            status = 0
        except AssertionError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    number, size = struct.unpack_from("<QI", shown)
    if status == 0:
        return "" if number == inputs - 1 else "it ended early"
    how = signal.Signals(status).name if status < 128 else f"status {status >> 8}"
    return f"{how} at input {number} of seed {seed}: {shown[12 : 12 + size].hex()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    started = time.monotonic()
    for name, make in TARGETS.items():
        if fault := fuzz(make, given.inputs, given.seed):
            sys.exit(f"VIOLATION: {name}: {fault}")
        print(f"{name}: {given.inputs:,} inputs", flush=True)
    report = {
        "inputs": dict.fromkeys(TARGETS, given.inputs),
        "faults": 0,
        "seed": given.seed,
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "guarded_bytes", report)


if __name__ == "__main__":
    main()
