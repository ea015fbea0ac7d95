"""Under which Host header each listener of HTTP answers: address x names x header."""

import http.client
import itertools
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.scrape import make_metrics_server
from openoutcry.operations.web_server import host_of, served_hosts
from tests.support.certificates import self_signed
from tests.support.console.console_venue import ConsoleVenue, ended
from tests.support.processes import OUTCRY, free_port

BINDS = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::1": "::1", "::": "::1"}
"""Addresses to listen at, and where each is reached."""
NAMES: tuple[tuple[str, ...], ...] = ((), ("ops.example",), ("OPS.example.", "10.1.2.3"))
HOSTS = (
    "evil.example", "ops.example", "OPS.EXAMPLE:9470", "ops.example.", "ops.example.evil.example",
    "evil.ops.example", "10.1.2.3", "10.1.2.4", "127.0.0.1:9470", "localhost", "LOCALHOST",
    "[::1]:9470", "[0:0:0:0:0:0:0:1]", "[::2]", "0.0.0.0", "", "[", "a@b:c",
)  # fmt: skip
HERE = {"127.0.0.1:9470", "localhost", "LOCALHOST", "[::1]:9470", "[0:0:0:0:0:0:0:1]"}
NAMED = {"ops.example", "OPS.EXAMPLE:9470", "ops.example."}
TABLE = list(itertools.product(BINDS, NAMES))


def is_let_in(bind: str, names: tuple[str, ...], header: str) -> bool:
    """What the table says: loopback and the names; any where a page listens everywhere unnamed."""
    if bind in ("0.0.0.0", "::") and not names:
        return True
    is_named = header in NAMED or (header == "10.1.2.3" and "10.1.2.3" in names)
    return header in HERE or (bool(names) and is_named)


def status(reached: str, port: int, header: str, tls: ssl.SSLContext | None = None) -> int:
    if tls is None:
        connection = http.client.HTTPConnection(reached, port)
    else:
        connection = http.client.HTTPSConnection(reached, port, context=tls)
    connection.putrequest("GET", "/metrics", skip_host=True)
    connection.putheader("Host", header)
    connection.endheaders()
    answer = connection.getresponse().status
    connection.close()
    return answer


@pytest.mark.promise(
    "A page and the metrics answer only under the names that are configured, at every address "
    "they listen at. Those of loopback count on loopback and where they listen everywhere",
    group="doors",
)
@pytest.mark.parametrize(("bind", "names"), TABLE)
def test_metrics_are_served_under_the_configured_names(bind: str, names: tuple[str, ...]) -> None:
    server = make_metrics_server(VenueMetrics(None), (bind, 0), names)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for header in HOSTS:
            got = status(BINDS[bind], server.server_port, header)
            assert (got != 421) == is_let_in(bind, names, header), header
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.promise(
    "A page and the metrics answer only under the names that are configured, at every address "
    "they listen at. Those of loopback count on loopback and where they listen everywhere",
    group="doors",
)
@pytest.mark.parametrize("bind", ["0.0.0.0", "::"])
@pytest.mark.parametrize("page", ["venue console", "screen"])
def test_a_page_is_served_under_the_configured_names(tmp_path: Path, bind: str, page: str) -> None:
    """The real pages, where the address alone names no host."""
    file = ConsoleVenue(tmp_path).file
    certificate, key = self_signed(tmp_path / "certificate", tmp_path / "key")
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    at = f"{bind}:{free_port()}"
    command = [*OUTCRY, *page.split(), str(file), "--address", at, "--name", "ops.example"]
    command += ["--certificate", str(certificate), "--key", str(key)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = process.stderr.readline()
        assert url.startswith("http"), url + process.stderr.read()
        for header in HOSTS:
            if header in ("", "[", "a@b:c"):
                continue  # the parser of requests refuses them first
            got = status(BINDS[bind], int(at.rpartition(":")[2]), header, tls)
            assert (got != 421) == is_let_in(bind, ("ops.example",), header), header
    finally:
        ended(process)


@pytest.mark.parametrize("bind", ["10.1.2.3", "2001:DB8::1", "venue.example"])
def test_an_address_of_its_own_is_a_name(bind: str) -> None:
    header = f"[{bind}]:1" if ":" in bind else f"{bind}:1"
    assert host_of(header) in served_hosts(bind, ())
    assert host_of(header) in served_hosts(bind, ("ops.example",))
    assert "localhost" not in served_hosts(bind, ())
