"""QuickFIX's engine as a participant: orders sent in their order, and what came of them."""

import contextlib
import threading
from functools import cache

import pytest

from tests.oracles.fix_dictionary import PATHS
from tests.support.documents.fix_dictionary import FILE
from tests.support.waiting import BOUND_S

# CheckLatency: on a busy machine a report may wait longer for its reader than QuickFIX's 120 s, and
# it would be rejected for its age.
SETTINGS = """[DEFAULT]
ConnectionType=initiator
ReconnectInterval=1
CheckLatency=N
FileStorePath={folder}
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt=30
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
UseDataDictionary=Y
DataDictionary={dictionary}
[SESSION]
BeginString=FIX.{version}
SenderCompID={sender}
TargetCompID={target}
"""


MARKET_DATA = "WXYydfh"


def make_client(fix, password):
    """The application: reports as (ClOrdID, OrdStatus, OrderQty), and whatever is wrong."""

    class Client(fix.Application):
        def __init__(self):
            super().__init__()
            self.session, self.reports, self.faults = None, [], []
            self.positions, self.market_data, self.lists = [], [], []
            self.logged_on = threading.Event()

        def onCreate(self, session):  # noqa: N802
            self.session = session

        def onLogon(self, session):  # noqa: N802
            self.logged_on.set()

        def onLogout(self, session):  # noqa: N802
            pass

        def toAdmin(self, message, session):  # noqa: N802
            if password and message.getHeader().getField(35) == "A":
                if message.getHeader().getField(8) == "FIX.4.2":
                    message.setField(95, str(len(password)))
                    message.setField(96, password)
                else:
                    message.setField(554, password)

        def fromAdmin(self, message, session):  # noqa: N802
            if message.getHeader().getField(35) == "3":
                self.faults.append(message.toString())

        def toApp(self, message, session):  # noqa: N802
            if message.getHeader().getField(35) not in ("D", "AN", *"EKMVxceg"):
                self.faults.append(message.toString())

        def fromApp(self, message, session):  # noqa: N802
            if all(message.isSetField(tag) for tag in (11, 39, 38)):
                report = message.getField(11), message.getField(39), message.getField(38)
                self.reports.append(report)
            elif message.getHeader().getField(35) in ("AO", "AP"):
                self.positions.append(message.toString())
            elif message.getHeader().getField(35) == "N":
                self.lists.append(message.toString())
            elif message.getHeader().getField(35) in MARKET_DATA:
                self.market_data.append(message.toString())
            else:
                # An exception here would be a BusinessMessageReject there.
                self.faults.append(message.toString())

        def numbers(self):
            """(next of the venue, next of ours)."""
            session = fix.Session.lookupSession(self.session)
            return session.getExpectedTargetNum(), session.getExpectedSenderNum()

        def send(self, fields, kind="D", groups=()):
            """``groups``: (count, first field, values) of each group; a value is that of the one
            field, or a dictionary of all fields of an entry."""
            message = fix.Message()
            message.getHeader().setField(35, kind)
            for tag, value in fields.items():
                message.setField(tag, value)
            for count, first, values in groups:
                for value in values:
                    group = fix.Group(count, first)
                    entry = value if isinstance(value, dict) else {first: value}
                    for tag, text in entry.items():
                        group.setField(tag, text)
                    message.addGroup(group)
            fix.Session.sendToTarget(message, self.session)

    return Client()


@contextlib.contextmanager
def quickfix_client(
    folder,
    port,
    sender="FIRM",
    target="VENUE",
    password="",
    version="4.4",
    dictionary=None,
    more="",
):
    """A client that is logged on; ``dictionary``: a file, None: the standard's; ``more``: lines of
    its settings."""
    fix = pytest.importorskip("quickfix", reason="PyPI's quickfix could not be built")
    name = f"FIX{version.replace('.', '')}.xml"
    dictionary = dictionary or next(p for p in PATHS if (p / name).exists()) / name
    path = folder / "client.cfg"
    path.write_text(
        SETTINGS.format(
            folder=folder,
            port=port,
            dictionary=dictionary,
            sender=sender,
            target=target,
            version=version,
        )
        + more
    )
    client, settings = make_client(fix, password), fix.SessionSettings(str(path))
    initiator = fix.SocketInitiator(client, fix.FileStoreFactory(settings), settings)
    initiator.start()
    try:
        assert client.logged_on.wait(BOUND_S)
        yield client
    finally:
        initiator.stop()


def fault(raw):
    """What QuickFIX has against a whole message by the venue's dictionary; empty: nothing."""
    fix = pytest.importorskip("quickfix", reason="PyPI's quickfix could not be built")
    dictionary, message = venue_dictionary(), fix.Message()
    try:
        message.setString(raw.decode("latin-1"), True, dictionary)
        dictionary.validate(message)
    except fix.FIXException as error:
        return f"{type(error).__name__} {error}"
    return ""


@cache
def venue_dictionary():
    """The dictionary that the venue publishes, as QuickFIX reads it."""
    fix = pytest.importorskip("quickfix", reason="PyPI's quickfix could not be built")
    return fix.DataDictionary(str(FILE))
