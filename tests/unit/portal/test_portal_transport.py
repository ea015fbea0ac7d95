"""What every answer of the portal has, and how it speaks TLS."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.web_server import tls_settings
from openoutcry.portal.pings import PING_S, PONG_S
from openoutcry.portal.server import Gate, text_pings
from openoutcry.portal.spot.feeds import Queue
from openoutcry.portal.spot.limits import Limits

WANTED = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def answered(scheme, status, serves=True, headers=()):
    """Headers of an answer of the application behind the gate, or of the gate's own."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def run():
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/v1/me", "headers": []}
        scope |= {"client": ("192.0.2.1", 1), "scheme": scheme}
        await Gate(app, Limits(), lambda address: serves)(scope, receive, send)
        return {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    return asyncio.run(run())


@pytest.mark.promise(
    "V8.2.1, V9.1, V14.4 (transport): every answer, refusals too, is not kept, not guessed "
    "at, not framed and loads nothing. TLS is version 1.2 and later, with forward secrecy",
    group="portal",
)
@pytest.mark.parametrize(
    ("status", "serves"), [(200, True), (404, True), (500, True), (200, False)]
)
def test_every_answer_has_its_security_headers(status, serves):
    clear = answered("http", status, serves)
    assert {name: clear[name] for name in WANTED} == WANTED
    assert "strict-transport-security" not in clear
    assert "max-age" in answered("https", status, serves)["strict-transport-security"]
    own = answered("https", status, headers=[(b"Cache-Control", b"max-age=5")])
    assert "cache-control" not in own, "what an answer says itself is not said twice"


@pytest.mark.promise(
    "V8.2.1, V9.1, V14.4 (transport): every answer, refusals too, is not kept, not guessed "
    "at, not framed and loads nothing. TLS is version 1.2 and later, with forward secrecy",
    group="portal",
)
@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_has_strong_ciphers_alone(tmp_path):
    import uvicorn

    paths = certificate(tmp_path)
    config = uvicorn.Config(None, log_config=None, **tls_settings(*paths))
    config.load()
    names = {row["name"] for row in config.ssl.get_ciphers()}
    assert names
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)
    for version, ciphers, is_taken in (
        (ssl.TLSVersion.TLSv1_3, "DEFAULT", True),
        (ssl.TLSVersion.TLSv1_2, "DEFAULT", True),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256", False),
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False),
    ):
        assert speaks(config.ssl, version, ciphers) == is_taken, (version, ciphers)
    assert tls_settings(None, None) == {}


def certificate(folder):
    """A certificate and its key, in files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal.example")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now).not_valid_after(now + timedelta(1))
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return paths


def speaks(server_context, version, ciphers):
    """Whether a client of one version and these ciphers comes to terms with the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return client.version() is not None


class Clock:
    """An event loop's timers, and what a connection sends and parses, without a network."""

    def __init__(self):
        self.now_s, self.timers, self.sent, self.ended_s = 0.0, [], [], None

    def time(self):
        return self.now_s

    def call_later(self, delay_s, call):
        timer = SimpleNamespace(at_s=self.now_s + delay_s, call=call, is_over=False)
        timer.cancel = lambda: setattr(timer, "is_over", True)
        self.timers.append(timer)
        return timer

    def until(self, end_s):
        """Let the time pass."""
        while due := [one for one in self.timers if not one.is_over and one.at_s <= end_s]:
            timer = min(due, key=lambda one: one.at_s)
            self.now_s, timer.is_over = timer.at_s, True
            timer.call()
        self.now_s = end_s


def pinged():
    """A connection of the portal's protocol of WebSockets, with a clock."""
    clock = Clock()
    connection = object.__new__(text_pings(ConnectionLimits()))
    connection.loop, connection.ping_interval, connection.ping_timeout = clock, PING_S, PONG_S
    connection.ping_timer = connection.pong_timer = None
    connection.last_ping_rtt, connection.close_sent = 0.0, False
    connection.logger = SimpleNamespace(level=100)
    connection.writable, connection.queue = SimpleNamespace(is_set=lambda: True), Queue()
    connection.transport = SimpleNamespace(
        is_closing=lambda: clock.ended_s is not None,
        write=lambda data: None,
        close=lambda: setattr(clock, "ended_s", clock.now_s),
    )
    connection.conn = SimpleNamespace(
        send_ping=lambda payload: clock.sent.append((clock.now_s, payload)),
        fail=lambda code, text: setattr(clock, "ended_s", clock.now_s),
        data_to_send=lambda: [],
    )
    connection.schedule_ping()
    return clock, connection


def test_a_websocket_without_pongs_is_pinged_on_and_cut_after_a_minute():
    clock, _ = pinged()
    clock.until(1_000.0)
    assert [at_s for at_s, _ in clock.sent] == [20.0, 40.0, 60.0]
    # Clients that take text alone answer these, too.
    assert all(payload.decode("ascii").isalnum() for _, payload in clock.sent)
    assert clock.ended_s == 80.0


def test_a_pong_for_any_ping_that_waits_keeps_a_websocket():
    clock, connection = pinged()
    for end_s in range(65, 1_000, 60):
        clock.until(float(end_s))
        connection.handle_pong(SimpleNamespace(data=clock.sent[-2][1]))
    assert clock.ended_s is None
    assert [at_s for at_s, _ in clock.sent] == [20.0 * number for number in range(1, 49)]
    connection.handle_pong(SimpleNamespace(data=b"unasked"))
    clock.until(2_000.0)
    assert clock.ended_s == clock.sent[-1][0] + 20.0 == 1_040.0
