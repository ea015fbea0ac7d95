"""A QuickFIX acceptor (its C++ engine by its Python binding) that accepts every order, in a
separate process: ``python -m openoutcry.bench.peers.quickfix_acceptor SENDER TARGET``.

It keeps messages in memory, checks no dictionary and logs nothing; it says its port and ends when
its standard input does.
"""

import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

SETTINGS = """[DEFAULT]
ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
SocketNodelay=Y
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=N
CheckLatency=N
[SESSION]
BeginString=FIX.4.4
SenderCompID={sender}
TargetCompID={target}
"""
COPIED = (11, 54, 38, 40, 44, 55)
FIXED_FIELDS = {150: "0", 39: "0", 14: "0", 6: "0"}


def make_application(fix: Any) -> Any:
    """Return the application that answers, for the engine's module."""

    class Accepts(fix.Application):  # type: ignore[misc]
        """8 with OrdStatus 0 to every D."""

        def __init__(self) -> None:
            super().__init__()
            self.orders = 0

        def fromApp(self, message: Any, session: Any) -> None:  # noqa: N802
            self.orders += 1
            report = fix.Message()
            report.getHeader().setField(35, "8")
            report.setField(37, str(self.orders))
            report.setField(17, str(self.orders))
            for tag in COPIED:
                report.setField(tag, message.getField(tag))
            report.setField(151, message.getField(38))
            for tag, value in FIXED_FIELDS.items():
                report.setField(tag, value)
            report.setField(60, message.getField(60))
            fix.Session.sendToTarget(report, session)

        def onCreate(self, session: Any) -> None:  # noqa: N802
            pass

        onLogon = onLogout = onCreate  # noqa: N815

        def toAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
            pass

        fromAdmin = toApp = toAdmin  # noqa: N815

    return Accepts()


def main() -> None:
    """Serve one FIX session between the CompIDs of the arguments until standard input ends."""
    # It has no types, and not every machine has it.
    fix: Any = import_module("quickfix")
    sender, target = sys.argv[1:]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="outcry-quickfix-") as folder:
        path = Path(folder) / "acceptor.cfg"
        path.write_text(SETTINGS.format(port=port, sender=sender, target=target))
        settings = fix.SessionSettings(str(path))
        # A thread a session waits in its own socket: faster than the one that asks all of them.
        acceptor = fix.ThreadedSocketAcceptor(
            make_application(fix), fix.MemoryStoreFactory(), settings
        )
        acceptor.start()
        try:
            print(port, flush=True)
            sys.stdin.read()
        finally:
            acceptor.stop(True)


if __name__ == "__main__":
    main()
