"""An application and a bad line for FIX tests: every new order is acknowledged through the real
codec, and a proxy cuts the connection in the middle of messages."""

import select
import socket
import threading

import numpy as np

from openoutcry.order_entry import command_metadata, rows
from openoutcry.order_entry import session as block
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.fix import decode, encode, scan
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import EventKind
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE
from tests.oracles.fix_acceptor import FixSession
from tests.oracles.fix_dictionary import fields_of

DECIMALS = {"GOLD": 2}


def venue_session(messages=1 << 17):
    """The session of FIRM at VENUE, which knows GOLD."""
    one = FixSession("VENUE", "FIRM", messages=messages)
    one.symbols = block.Symbols(make_instruments(list(DECIMALS)), DECIMALS)
    for word, value in {block.INDEX: 1, block.PROTOCOL: 3, **one.symbols.words()}.items():
        one[word] = value
    return one


class Acknowledger:
    """Answers D with an ExecutionReport of ExecType 0 and remembers the ClOrdIDs in their order."""

    def __init__(self):
        self.orders = []
        self.out = np.zeros(1024, np.uint8)

    def __call__(self, one, message):
        data = np.frombuffer(message + bytes(64), np.uint8)
        order, metadata = np.zeros(1, ORDER_DTYPE), np.zeros(1, command_metadata.METADATA_DTYPE)
        row, event = np.zeros(1, rows.ROW_DTYPE), np.zeros(1, EVENT_DTYPE)
        scan.parse(one.fields.ctypes.data, data.ctypes.data, len(message))
        result = decode.decode(
            data.ctypes.data, len(message), one.address, order.ctypes.data, metadata.ctypes.data
        )
        assert result == Kind.APPLICATION
        self.orders.append(dict(fields_of(message))[b"11"].decode())
        number = len(self.orders)
        for name in ("qty_lots", "price_ticks", "symbol", "side", "order_type"):
            row[name] = order[name]
        row["token"], row["token_bytes"], row["own"] = (
            metadata["token"],
            metadata["token_bytes"],
            metadata["own"],
        )
        row["order_id"] = rows.ORDER_BIT | number
        event["kind"] = EventKind.REJECTED if metadata["refused"][0] else EventKind.ACCEPTED
        event["leaves_lots"], event["seq"] = order["qty_lots"], number
        one[block.RX_TS_NS] = 1_700_000_000 * 10**9
        size = encode.encode(
            event.ctypes.data,
            row.ctypes.data,
            one.address,
            metadata.ctypes.data,
            self.out.ctypes.data,
            len(self.out),
        )
        return [self.out[:size].tobytes()]


class CuttingProxy:
    """Passes a connection on to ``port``, and closes both ends each time so many bytes went by."""

    def __init__(self, port, cuts):
        self.port, self.cuts, self.done = port, list(cuts), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listen_port = self.listener.getsockname()[1]
        self.waker, self.woken = socket.socketpair()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.waker.close()
        self.thread.join()
        self.listener.close()
        self.woken.close()

    def _run(self):
        while True:
            ready, _, _ = select.select([self.listener, self.woken], [], [])
            if self.woken in ready:
                return
            one, _ = self.listener.accept()
            with one, socket.create_connection(("127.0.0.1", self.port)) as other:
                if self._pass(one, other):
                    return

    def _pass(self, one, other):
        """True when the test is over."""
        left = self.cuts[self.done] if self.done < len(self.cuts) else None
        while True:
            ready, _, _ = select.select([one, other, self.woken], [], [])
            if self.woken in ready:
                return True
            for source, target in ((one, other), (other, one)):
                if source not in ready:
                    continue
                try:
                    data = source.recv(4096 if left is None else min(4096, left))
                    target.sendall(data)
                except ConnectionError:
                    data = b""
                if not data:
                    return False
                if left is not None:
                    left -= len(data)
                    if left == 0:
                        self.done += 1
                        return False
