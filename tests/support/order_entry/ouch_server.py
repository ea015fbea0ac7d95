"""A small venue for tests of clients: SoupBinTCP over a real socket, our OUCH kernels, the matcher.

One process, a thread a connection, everything in memory: what tests of clients need of a venue.
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.order_entry import ouch42, ouch50, rows, soupbin
from openoutcry.order_entry.faults import Kind
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.order_entry.ouch_support import Session, make_row

SYMBOLS = ["AAPL", "MSFT", "OUTCRY12", "BRK.A", "CHF6"]
CODECS = {"4.2": ouch42, "5.0": ouch50}


@dataclass
class Account:
    """One session: its stream for ever, and who is connected to it."""

    name: str
    password: str
    participant: int
    kernels: Session
    stream: list[bytes] = field(default_factory=list)
    connection: socket.socket | None = None
    tokens: dict[bytes, int] = field(default_factory=dict)


class OuchServer:
    """``with OuchServer({"ALICE": "secret"}) as server: … server.port``."""

    def __init__(self, accounts, version="4.2"):
        self.codec = CODECS[version]
        self.engine = Engine(make_instruments(SYMBOLS), order_capacity=1 << 16)
        self.accounts = {
            name: Account(name, password, index, Session(self.codec, index=index))
            for index, (name, password) in enumerate(accounts.items(), start=1)
        }
        self.rows, self.current, self.owner, self.seq = {}, {}, {}, 0
        self.lock = threading.RLock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self._compile()
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._live, daemon=True).start()

    def _compile(self):
        """Before anybody waits for an answer."""
        kernels = next(iter(self.accounts.values())).kernels
        _, order, metadata = kernels.decode(soupbin.packet("U", b"?"))
        kernels.complete(order, metadata, None)
        metadata["message"] = 0
        kernels.refuse(metadata, order)
        kernels.encode(np.zeros((), EVENT_DTYPE), np.zeros((), rows.ROW_DTYPE))
        self.engine.process(np.zeros(0, ORDER_DTYPE))

    def _live(self):
        """Heartbeats, each second."""
        while self.listener.fileno() != -1:
            time.sleep(1)
            with self.lock:
                for account in self.accounts.values():
                    if account.connection is not None:
                        with contextlib.suppress(OSError):
                            account.connection.sendall(soupbin.SERVER_HEARTBEAT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.drop()

    def drop(self):
        """Lose every connection."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        account, data = None, bytearray()
        try:
            while got := connection.recv(1 << 16):
                data += got
                held = np.frombuffer(bytes(data) + b"\0", np.uint8)
                while (size := soupbin.frame(held.ctypes.data, len(data))) > 0:
                    packet = bytes(data[:size])
                    del data[:size]
                    if account is None:
                        account = self._log_in(connection, packet)
                        if account is None:
                            return
                    else:
                        with self.lock:
                            self._take(account, packet)
                    held = np.frombuffer(bytes(data) + b"\0", np.uint8)
        except OSError:
            pass
        finally:
            if account is not None and account.connection is connection:
                account.connection = None
            connection.close()

    def _log_in(self, connection, packet):
        login = soupbin.read_login(packet)
        account = self.accounts.get(login.username.upper())
        if account is None or login.password != account.password:
            connection.sendall(soupbin.login_rejected("A"))
            return None
        if login.session not in ("", "DAY1"):
            connection.sendall(soupbin.login_rejected("S"))
            return None
        with self.lock:
            first = login.sequence or len(account.stream) + 1
            connection.sendall(soupbin.login_accepted("DAY1", first))
            for message in account.stream[first - 1 :]:
                connection.sendall(soupbin.packet("S", message))
            account.connection = connection
        return account

    def _take(self, account, packet):
        result, order, metadata = account.kernels.decode(packet)
        if result != Kind.APPLICATION:
            return
        kind, key = chr(metadata["message"]), metadata["token"].tobytes()
        if kind in "UXM":
            number = account.tokens.get(metadata["orig"].tobytes())
            row = self.rows.get(number)
            if account.kernels.complete(order, metadata, row) != Kind.APPLICATION:
                return
        if key in account.tokens and int(metadata["token_bytes"]):
            return
        new = None
        if int(order["kind"]) in (CommandKind.NEW, CommandKind.REPLACE):
            number = metadata["row"] = len(self.rows) + 1
            account.tokens[key] = number
            if kind == "O":
                order["order_id"] = rows.ORDER_BIT | number
            new = make_row(order, metadata, number, rows.SENT, order_id=int(order["order_id"]))
            if kind == "U":
                for name in ("side", "order_type", "time_in_force"):
                    new[name] = row[name]
            self.rows[number] = new
            self.owner[number] = account
        self._match(account, order, metadata, new)

    def _match(self, account, order, metadata, new):
        self.seq += 1
        command = np.zeros(1, ORDER_DTYPE)
        command[0] = order
        command["participant"], command["seq"] = account.participant, self.seq
        for event in self.engine.process(command):
            event = np.array(event)
            if metadata["refused"]:
                self._tell(account, account.kernels.refuse(metadata, order))
                continue
            number = int(event["order_id"]) & rows.NUMBER_MASK
            replaced = int(event["kind"]) == EventKind.REPLACED
            if replaced:
                old = self.rows[self.current.get(number, number)]
                new["cum_lots"] = old["cum_lots"]
                self.current[number] = int(new["number"])
            row = self.rows.get(self.current.get(number, number))
            owner = account if row is None else self.owner[int(row["number"])]
            if row is not None:
                update(row, event)
            mine = owner is account and (
                row is None or new is None or row is new or int(event["kind"]) == EventKind.REJECTED
            )
            self._tell(owner, owner.kernels.encode(event, row, metadata if mine else None))

    def _tell(self, account, message):
        if message:
            account.stream.append(message)
            if account.connection is not None:
                try:
                    account.connection.sendall(soupbin.packet("S", message))
                except OSError:
                    account.connection = None


def update(row, event):
    """The row as of the event."""
    kind = int(event["kind"])
    if kind == EventKind.REJECTED:
        return
    if kind == EventKind.FILLED:
        row["cum_lots"] += event["qty_lots"]
    if kind == EventKind.REPLACED:
        row["qty_lots"] = row["cum_lots"] + event["leaves_lots"]
    row["leaves_lots"] = event["leaves_lots"]
    row["state"] = rows.OPEN if event["leaves_lots"] else rows.DONE
