"""The operator's desk: whatever its socket is sent, the venue goes on, and only who serves the
venue gets a word in."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import argon2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.venue import operators
from openoutcry.venue.desk import MAX_CLIENTS, NAME, Desk, DeskError, Work, ask
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import FileLimits, fresh_view, hook_settings
from openoutcry.venue.operations import Operations
from openoutcry.wire import OutcryError
from tests.support.adversary.other_user import as_nobody, as_root
from tests.support.venue.served_venue import PORT, VENUE
from tests.support.waiting import BOUND_S, wait_until

ROWS = """
[[participant]]
number = 2
name = "two"
group = "alpha"
[[limits]]
participant = 1
credit = 0
[[operator]]
name = "anna"
password = "{password}"
"""
CHEAP = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)
"""What its parameters cost is what a hash takes: nobody's here as well."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """Those of a venue whose core nothing has happened to."""
    path = tmp_path_factory.mktemp("venue") / "venue.toml"
    path.write_text(VENUE + ROWS.format(password=CHEAP.hash("word")) + PORT.format(port=9))
    file = read_venue(path)
    numbers = [one.number for one in file.participants]
    hooks = hook_settings(numbers, file.order_capacity, file.risk)
    view = fresh_view(hooks, file.instruments)
    limits = FileLimits(file.risk, numbers, file.instruments, view)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "_nobodys_hash", lambda: CHEAP.hash("nobody's"))
        yield Operations(limits, lambda symbol, on: [], lambda: "dump", lambda text: None)


class Served:
    """A desk whose core has every command at once."""

    def __init__(self, folder: Path, operations: Operations) -> None:
        self.desk, self.folder = Desk(folder, operations.work_of), folder

    def look(self) -> None:
        self.desk.poll(lambda records: len(records), lambda target: True)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(BOUND_S)
        client.connect(str(self.folder / NAME))
        return client

    def answer(self, data: bytes) -> dict[str, Any]:
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)

            def replied() -> list[bytes]:
                self.look()
                try:
                    return [client.recv(1 << 20)]
                except BlockingIOError:
                    return []

            (reply,) = wait_until(replied, "an answer, or the end")
        return dict(json.loads(reply)) if reply else {}


@pytest.fixture
def served(tmp_path: Path, operations: Operations) -> Iterator[Served]:
    server = Served(tmp_path, operations)
    yield server
    server.desk.close()
    assert not (tmp_path / NAME).exists()


@pytest.mark.promise(
    "Logins of one address, or of one customer's IPv6 network, delay no logins of others. At "
    "the desk logins wait for every other request",
    group="capacity",
)
def test_logins_wait_for_whatever_else_is_asked(tmp_path: Path) -> None:
    """A password takes a tenth of a second in the venue's own loop: of seven logins one is done in
    a turn, behind every other request."""
    done: list[str] = []

    def work_of(request: dict[str, Any]) -> Work:
        done.append(str(request["do"]))
        return Work(np.zeros(0), [])

    served = Served(tmp_path, SimpleNamespace(work_of=work_of))  # type: ignore[arg-type]
    asked = ["log-in"] * 7 + ["kill", "halt"]
    clients = [served.connect() for _ in asked]
    for client, what in zip(clients, asked, strict=True):
        client.sendall(json.dumps({"do": what}).encode() + b"\n")
        client.shutdown(socket.SHUT_WR)
    served.look()
    assert done == ["kill", "halt", "log-in"]
    served.look()
    assert done == ["kill", "halt", "log-in", "log-in"]
    for _ in range(6):
        served.look()
    assert done.count("log-in") == 7
    for client in clients:
        client.close()
    served.desk.close()


def mostly(*right: Any) -> st.SearchStrategy[Any]:
    """What the desk knows, or anything."""
    return st.sampled_from(right) | st.sampled_from(right) | SCALARS


REQUESTS = st.fixed_dictionaries(
    {"do": mostly("set", "kill", "enable", "halt", "resume", "emergency-close")},
    optional={
        "what": mostly("participant", "group", "instrument", "market"),
        "name": mostly(1, "1", "GOLD", "alpha"),
        "limit": mostly("credit", "max_qty_lots", "deposit", "orders_per_s", "fee", "price_bands"),
        "value": mostly(0, 1, -1, 2**62, 2**63, 10**30, "none"),
        "participant": mostly(1, 2, "1", 70_000),
        "group": mostly("alpha"),
        "instrument": mostly("GOLD"),
        "burst": mostly(1, 2**63, -1),
        "operator": mostly("anna"),
        "password": mostly("word"),
    },
)


@pytest.mark.promise(
    "The desk hears its own user alone, and a client asks only the desk of its user or root. "
    "The venue continues whatever the desk's socket receives",
    group="venue",
)
@given(desk_request=REQUESTS)
@example(desk_request={"do": "set", "limit": "deposit", "value": 10**30, "participant": 1})
@example(
    desk_request={
        "do": "set",
        "limit": "orders_per_s",
        "value": 1,
        "participant": 1,
        "burst": 2**63,
    }
)
@example(
    desk_request={"do": "set", "limit": "orders_per_s", "value": 1, "participant": 1, "burst": "x"}
)
@example(desk_request={"do": "kill", "what": "participant", "name": float("inf")})
def test_any_request_is_done_or_refused_in_words(
    operations: Operations, desk_request: dict[str, Any]
) -> None:
    try:
        work = operations.work_of(desk_request)
    except OutcryError:  # which the desk answers in its words
        return
    assert len(work.records) > 0
    assert not work.records["participant"][work.records["kind"] == 9].any()


@pytest.mark.promise(
    "The desk hears its own user alone, and a client asks only the desk of its user or root. "
    "The venue continues whatever the desk's socket receives",
    group="venue",
)
@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"[" * 60_000 + b"\n",
        b"{\xff}\n",
        b"1" * 9_000 + b"\n",
        b'{"do": ["set"]}\n',
        b'{"do": {"a": 1}}\n',
        b"[]\n",
        b'{"do": "set", "value": 1e400}\n',
    ],
)
def test_what_is_no_request_is_refused(served: Served, data: bytes) -> None:
    assert "error" in served.answer(data)
    assert "there is no request 'x'" in served.answer(b'{"do": "x"}\n')["error"]


@pytest.mark.promise(
    "The desk hears its own user alone, and a client asks only the desk of its user or root. "
    "The venue continues whatever the desk's socket receives",
    group="venue",
)
def test_noise_and_endless_requests_harm_no_other_client(served: Served) -> None:
    """Random bytes, a line longer than any request, and as many silent connections as there are
    places: the next one is heard."""
    rng = np.random.default_rng(26)
    for size in rng.integers(1, 3_000, 30):
        served.answer(rng.bytes(int(size)))
    served.answer(b" " * (1 << 17))
    silent = []
    for _ in range(2 * MAX_CLIENTS):
        silent.append(served.connect())
        served.look()
    assert "there is no request 'x'" in served.answer(b'{"do": "x"}\n')["error"]
    for client in silent:
        client.close()


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
def test_a_request_that_fails_is_answered_and_reported_once(tmp_path: Path) -> None:
    lines: list[str] = []

    def work_of(request: dict[str, Any]) -> Work:
        raise UnicodeError("\x1b[31mboom")

    served = Served(tmp_path, SimpleNamespace(work_of=work_of))  # type: ignore[arg-type]
    served.desk.faults.report = lines.append
    for _ in range(3):
        assert served.answer(b'{"do": "x"}\n') == {"error": "the request failed: UnicodeError"}
    assert served.desk.faults.count == 3
    (line,) = lines
    assert "\x1b" not in line
    served.desk.close()


@pytest.mark.promise(
    "The desk hears its own user alone, and a client asks only the desk of its user or root. "
    "The venue continues whatever the desk's socket receives",
    group="venue",
)
@as_root
def test_another_user_gets_no_answer(served: Served) -> None:
    """The socket is its owner's, also in a folder that all can enter."""
    assert stat.S_IMODE((served.folder / NAME).stat().st_mode) == 0o600
    for above in (served.folder, *served.folder.parents):
        above.chmod(above.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        if above.name.startswith("pytest-of-"):
            break

    def ask_as_nobody() -> None:
        assert os.geteuid() != 0
        with pytest.raises(DeskError, match="permission denied; connect as the venue's user"):
            ask(served.folder, {"do": "x"})

    as_nobody(ask_as_nobody)
    assert served.desk.clients == []
