"""An engine of Flash One's benchmark, loaded here: the interface by its documentation, our own
declaration of it, so that the adapter is compiled and driven where the harness is not."""

import ctypes
from pathlib import Path

import numpy as np

from openoutcry.bench.report_stream import (
    CANCEL,
    CANCEL_ACK,
    CANCEL_REJECT,
    LINES,
    MODIFY,
    MODIFY_ACK,
    MODIFY_REJECT,
    NEW,
    ORDER_ACK,
    TRADE,
)

HEADER = f"""
#include <stdint.h>
typedef struct {{ uint64_t order_id, sequence_number; int64_t price_ticks; uint32_t quantity;
                 uint8_t side, ioc, _reserved[2]; }} new_order_t;
typedef struct {{ uint64_t order_id, sequence_number; }} cancel_t;
typedef struct {{ uint64_t order_id, sequence_number; int64_t new_price_ticks;
                 uint32_t new_quantity; uint8_t side, _reserved[3]; }} modify_t;
typedef struct {{ uint8_t type, _reserved[7];
                 union {{ new_order_t no; cancel_t c; modify_t md; }}; }} me_msg_t;
enum {{ ME_ORDER_ACK = {ORDER_ACK}, ME_TRADE = {TRADE}, ME_CANCEL_ACK = {CANCEL_ACK},
       ME_MODIFY_ACK = {MODIFY_ACK}, ME_CANCEL_REJECT = {CANCEL_REJECT},
       ME_MODIFY_REJECT = {MODIFY_REJECT} }};
typedef struct {{ uint8_t type, side, _reserved[6]; uint64_t sequence_number, order_id;
                 int64_t price_ticks; uint32_t quantity, _reserved2;
                 uint64_t maker_order_id, taker_order_id, _reserved3; }} me_report_t;
typedef struct {{
    void *(*create)(uint32_t capacity);
    int (*push)(void *handle, const me_report_t *report);
    uint32_t (*drain)(void *handle, me_report_t *out, uint32_t max);
    void (*flush)(void *handle);
    void (*destroy)(void *handle);
}} me_transport_t;
"""

NEW_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("sequence_number", "<u8"),
        ("price_ticks", "<i8"),
        ("quantity", "<u4"),
        ("side", "u1"),
        ("ioc", "u1"),
        ("reserved", "u1", 2),
    ]
)
"""A cancel has the first two of it, a modify no ``ioc``."""
MESSAGE_DTYPE = np.dtype([("type", "<u8"), ("message", NEW_DTYPE)])
REPORT_DTYPE = np.dtype(
    [
        ("type", "u1"),
        ("side", "u1"),
        ("reserved", "u1", 6),
        ("sequence_number", "<u8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("quantity", "<u8"),
        ("maker_order_id", "<u8"),
        ("taker_order_id", "<u8"),
        ("stamp", "<u8"),
    ]
)
ADDRESS = ctypes.c_void_p
CREATE = ctypes.CFUNCTYPE(ADDRESS, ctypes.c_uint32)
PUSH = ctypes.CFUNCTYPE(ctypes.c_int, ADDRESS, ADDRESS)
DRAIN = ctypes.CFUNCTYPE(ctypes.c_uint32, ADDRESS, ADDRESS, ctypes.c_uint32)
FLUSH = ctypes.CFUNCTYPE(None, ADDRESS)


class Transport(ctypes.Structure):
    """How reports leave an engine."""

    _fields_ = (
        ("create", CREATE),
        ("push", PUSH),
        ("drain", DRAIN),
        ("flush", FLUSH),
        ("destroy", FLUSH),
    )


def as_messages(rows):
    """Rows of (type, side, ioc, quantity, order id, price) as the engine is given them."""
    messages = np.zeros(len(rows), MESSAGE_DTYPE)
    for seq, (kind, side, ioc, quantity, order, price) in enumerate(rows):
        body = (order, seq, price, quantity, side, ioc, 0)
        messages[seq] = (kind, body if kind != CANCEL else (order, seq, 0, 0, 0, 0, 0))
    return messages


class LoadedEngine:
    """One engine with an empty book.  ``own_transport``: reports go through the engine's, made for
    so many reports; else they are collected by a function that it pushes to."""

    def __init__(self, path: Path, own_transport: int = 0) -> None:
        library = ctypes.CDLL(str(path))
        self.library = library
        library.engine_init.argtypes = [ctypes.c_uint64, ADDRESS, ADDRESS]
        for name in ("new_order", "cancel", "modify"):
            getattr(library, f"engine_on_{name}").argtypes = [ADDRESS]
        library.engine_query_best_bid.restype = ctypes.c_int64
        library.engine_query_best_ask.restype = ctypes.c_int64
        library.engine_query_depth_at.restype = ctypes.c_uint64
        library.engine_query_depth_at.argtypes = [ctypes.c_int64, ctypes.c_uint8]
        self.collected: list[bytes] = []
        self.sink = None
        if own_transport:
            library.engine_get_transport.restype = ctypes.POINTER(Transport)
            self.transport = library.engine_get_transport().contents
            self.sink = self.transport.create(own_transport)
        else:
            self.transport = Transport(push=PUSH(self._push))
        self.out = np.zeros(256, REPORT_DTYPE)
        library.engine_init(1, ctypes.byref(self.transport), self.sink)

    def _push(self, _handle, report):
        self.collected.append(ctypes.string_at(report, REPORT_DTYPE.itemsize))
        return 1

    def drain(self):
        """Take what is in the engine's own transport."""
        count = 1
        while count:
            count = self.transport.drain(self.sink, self.out.ctypes.data, len(self.out))
            self.collected += [row.tobytes() for row in self.out[:count]]

    def give(self, message):
        """One message, by the call for its type."""
        name = {NEW: "new_order", CANCEL: "cancel", MODIFY: "modify"}[int(message["type"])]
        body = np.array(message["message"])
        getattr(self.library, f"engine_on_{name}")(body.ctypes.data)
        if self.sink:
            self.drain()

    def give_batch(self, messages):
        """A run of messages by one call."""
        self.library.engine_on_batch(ADDRESS(messages.ctypes.data), len(messages))
        if self.sink:
            self.drain()

    def state(self, price, side):
        """Best bid, best ask and the quantity at a price."""
        library = self.library
        depth = library.engine_query_depth_at(int(price), int(side))
        return library.engine_query_best_bid(), library.engine_query_best_ask(), depth

    def lines(self):
        """The reports so far, as the benchmark writes them, in its order."""
        reports = np.frombuffer(b"".join(self.collected), REPORT_DTYPE)
        order = np.lexsort((reports["type"], reports["sequence_number"]))
        return [_line(report) for report in reports[order]]

    def close(self):
        self.library.engine_flush()
        self.library.engine_shutdown()
        if self.sink:
            self.transport.destroy(self.sink)


def _line(report):
    kind = int(report["type"])
    is_trade = kind == TRADE
    order = report["taker_order_id" if is_trade else "order_id"]
    contra = report["maker_order_id"] if is_trade else 0
    seq, side = report["sequence_number"], report["side"]
    values = (seq, side, order, contra, report["price_ticks"], report["quantity"] & 0xFFFFFFFF)
    return LINES[kind](*(int(value) for value in values))
