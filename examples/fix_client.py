"""An order over FIX 4.4 by QuickFIX, the engine that many firms have (`pip install quickfix`).

    python examples/fix_client.py HOST:PORT SESSION VENUE buy|sell LOTS SYMBOL PRICE

SESSION is the name of a session of protocol "fix-4.4", VENUE the venue's name; the password is in
OUTCRY_PASSWORD. What stays open is cancelled at once: the order is immediate or cancel.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import quickfix

DICTIONARY = Path(__file__).parents[1] / "docs" / "outcry-fix44.xml"
SETTINGS = """[DEFAULT]
ConnectionType=initiator
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt=30
ResetOnLogon=Y
UseDataDictionary=Y
DataDictionary={dictionary}
FileStorePath={folder}
[SESSION]
BeginString=FIX.4.4
SenderCompID={session}
TargetCompID={venue}
SocketConnectHost={host}
SocketConnectPort={port}
"""
OVER = {"2": "filled", "4": "cancelled", "8": "rejected", "C": "expired"}
"""Values of OrdStatus (39) after which an order is over."""


class Trader(quickfix.Application):  # type: ignore[misc]
    """Sends one order after the logon, and says what its reports say."""

    def __init__(self, fields: dict[int, str]) -> None:
        super().__init__()
        self.fields, self.is_over = fields, threading.Event()

    def toAdmin(self, message: quickfix.Message, session: quickfix.SessionID) -> None:  # noqa: N802
        """Put the password into the logon."""
        if message.getHeader().getField(35) == "A":
            message.setField(554, os.environ["OUTCRY_PASSWORD"])

    def onLogon(self, session: quickfix.SessionID) -> None:  # noqa: N802
        """Send the order."""
        order = quickfix.Message()
        order.getHeader().setField(35, "D")
        for tag, value in self.fields.items():
            order.setField(tag, value)
        quickfix.Session.sendToTarget(order, session)

    def fromApp(self, message: quickfix.Message, session: quickfix.SessionID) -> None:  # noqa: N802
        """Print a report; the order's last one ends the program."""
        if message.getHeader().getField(35) != "8":
            return
        status = message.getField(39)
        if message.isSetField(32) and message.getField(150) == "F":
            print(f"traded {message.getField(32)} at {message.getField(31)}", flush=True)
        if status in OVER:
            text = f": {message.getField(58)}" if message.isSetField(58) else ""
            print(f"{OVER[status]}, {message.getField(14)} in all{text}", flush=True)
            self.is_over.set()

    def onCreate(self, session: quickfix.SessionID) -> None:  # noqa: N802
        """Do nothing."""

    def onLogout(self, session: quickfix.SessionID) -> None:  # noqa: N802
        """Do nothing."""

    def fromAdmin(self, message: quickfix.Message, session: quickfix.SessionID) -> None:  # noqa: N802
        """Do nothing."""

    def toApp(self, message: quickfix.Message, session: quickfix.SessionID) -> None:  # noqa: N802
        """Do nothing."""


def main() -> None:
    """Read the arguments, log on, trade."""
    address, session, venue, side, lots, symbol, price = sys.argv[1:]
    host, _, port = address.rpartition(":")
    now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    fields = {11: f"X{time.time_ns()}", 55: symbol, 54: "1" if side == "buy" else "2", 38: lots}
    trader = Trader(fields | {40: "2", 44: price, 59: "3", 60: now})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "client.cfg")
        places = {"folder": folder, "dictionary": DICTIONARY, "host": host, "port": port}
        file.write_text(SETTINGS.format(session=session, venue=venue, **places))
        settings = quickfix.SessionSettings(str(file))
        initiator = quickfix.SocketInitiator(trader, quickfix.FileStoreFactory(settings), settings)
        initiator.start()
        try:
            if not trader.is_over.wait(60):
                raise SystemExit("no answer in 60 s: is the venue open, is the password right?")
        finally:
            initiator.stop()


if __name__ == "__main__":
    main()
