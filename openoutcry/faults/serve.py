"""A test venue: its file with ports of its own, and the process at the public ones."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from openoutcry.faults.lines import Door, Doors
from openoutcry.faults.script import DATA, LINES, OUCH, Script, read_script
from openoutcry.host.processes import KeptProcess
from openoutcry.journal import Journal
from openoutcry.order_entry.spec import PortSpec, Protocol
from openoutcry.order_entry.tls import server_context
from openoutcry.venue.file import VenueFile
from openoutcry.venue.session_keys import PROTOCOLS
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.free_port import free_port

HERE = "127.0.0.1"
NAMES = {protocol: name for name, protocol in PROTOCOLS.items()}


class NoTestVenue(OutcryError):
    """A venue that takes no faults; says why."""


@contextmanager
def between(file: VenueFile, path: Path) -> Iterator[tuple[VenueFile, KeptProcess]]:
    """The venue as it is to be served, and the process at its public ports, while this lasts.

    Raises :class:`OutcryError` if the file's rules or the venue cannot be used for tests."""
    script = read_script(path)
    require_no_venue_of_money(file)
    counterparty = _counterparty_of(file, script)
    with ExitStack() as opened:
        doors: list[Door] = []
        ports = tuple(_moved(port, doors, opened) for port in file.sessions.ports)
        feed = file.feed
        if feed is not None and feed.fix is not None:
            public = PortSpec(Protocol.FIX44, *feed.fix)
            moved = _moved(public, doors, opened, DATA)
            feed = replace(feed, fix=(moved.host, moved.port))
        served = replace(
            file, sessions=replace(file.sessions, ports=ports), feed=feed, is_test=True
        )

        def work() -> None:
            made = Doors(doors, script, file.journal)
            made.counterparty_port = counterparty
            made.run()

        process = KeptProcess("faults", work)
        opened.callback(process.close)
        yield served, process


def require_no_venue_of_money(file: VenueFile) -> None:
    """Raise :class:`NoTestVenue` for a venue that somebody may take for a real one."""
    if file.replication is not None:
        raise NoTestVenue(f"{file.path}: a replicated venue takes no faults")
    if Journal.exists(file.journal) and not file.is_test:
        raise NoTestVenue(
            f"{file.journal} is the journal of a venue without faults; give the test venue another "
            "journal"
        )
    for session in file.sessions.sessions:
        if session.networks:
            raise NoTestVenue(
                f"{file.path}: session {session.name} has networks, but every client of a test "
                f"venue comes from {HERE}; leave them out"
            )


def _moved(port: PortSpec, doors: list[Door], opened: ExitStack, name: str = "") -> PortSpec:
    """The port at which the venue listens; a door is made at the public one."""
    if not name and NAMES[port.protocol] not in LINES:
        return port  # shared memory
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((port.host, port.port))
        listener.listen()
    except OSError as error:
        raise NoTestVenue(f"cannot listen on {port.host}:{port.port}: {error.strerror}") from None
    tls = None
    if port.tls_cert is not None and port.tls_key is not None:
        tls = server_context(port.tls_cert, port.tls_key)
    behind = HERE, free_port()
    doors.append(Door(name or NAMES[port.protocol], listener, behind, tls))
    return replace(port, host=behind[0], port=behind[1], tls_cert=None, tls_key=None)


def _counterparty_of(file: VenueFile, script: Script) -> str:
    """The port of the session whose orders fill those of others; "": no rule fills."""
    name = script.counterparty[0]
    for session in file.sessions.sessions if name else ():
        if session.name == name and NAMES[session.protocol] in OUCH:
            return NAMES[session.protocol]
    if name:
        raise NoTestVenue(f"{script.path}: counterparty.session: {name} is no session over OUCH")
    return ""
