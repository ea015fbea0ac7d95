"""Random and mutated input at the doors that came later: logins over shared memory, sessions over
TLS, and the portal's REST, WebSockets and ``ws-api``.

As in :mod:`fuzz_doors` nothing may be raised or written to standard error, and what is right is
answered as before.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import msgpack

from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import shm_login, soupbin
from openoutcry.order_entry.acceptor import REASONS
from openoutcry.order_entry.shm_layout import End
from openoutcry.order_entry.spec import Protocol
from openoutcry.portal.native.callers import signed_text
from openoutcry.portal.native.stream import OWN, PUBLIC
from openoutcry.portal.spot.rest import ROUTES
from openoutcry.portal.spot.sockets import METHODS as SOCKET_METHODS
from openoutcry.portal.spot.sockets import OF_CONNECTION
from openoutcry.wire.enums import Side, TimeInForce
from tests import ROOT
from tests.support.adversary import session_noise as noise
from tests.support.order_entry.sessions_venue import KEY, session
from tests.support.order_entry.shm_attacker import Attacker
from tests.support.portal.clients import taken
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person
from tests.support.security.flights import DIAL_S, Line, fly
from tests.support.security.fuzz_doors import (
    SIZES,
    Fault,
    fuzz_page,
    parts,
    request,
    watched,
)
from tests.support.venue.clients import dial_shm
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)
A_VENUE, A_VENUE_OF_WRITES = 5_000, 20_000
"""Logins, and writes of a session, that one inline venue takes."""
WRITES_A_STEP = 7
"""After so many writes the venue looks."""


def fuzz_shm_logins(count: int, seed: int | str) -> dict[str, int]:
    """``count`` connections to the Unix socket whose first message is no login of anybody's; a
    replayed login of another connection is among them.  Each is refused and counted."""
    rng, done = random.Random(f"{seed} shm"), {"messages": 0, "counted": 0, "answers": 0}
    for begun in range(0, count, A_VENUE):
        rows = [session("FUZZ", 1, protocol=SHM), session("CALM", 2, protocol=SHM)]
        with InlineVenue(rows) as venue:
            faults, old = watched(venue), b""
            for _ in range(min(A_VENUE, count - begun)):
                end = dial_shm(venue)
                asked = end.recv(1 << 10)
                right = shm_login.login(KEY, asked, "FUZZ", secrets.token_bytes(32))
                wrong = shm_login.login(bytes(32), asked, "FUZZ", secrets.token_bytes(32))
                name = f"{rng.choice(('CALM', 'NO', 'x' * 32))}"
                data = rng.choice(
                    (
                        wrong,
                        old or wrong,
                        noise.spoiled(rng, right),
                        right[: rng.randrange(len(right))],
                        right + b"\0",
                        noise.noise(rng, 600),
                        shm_login.login(KEY[::-1], asked, name, bytes(32), 2**62),
                    )
                )
                is_right = len(data) == len(right) and shm_login.is_login_of(
                    KEY, asked, shm_login.LoginRequest("", "", 0, data)
                )
                old, data = right, wrong if is_right else data  # it was spoiled into itself
                with suppress(OSError):
                    end.sendall(data)
                with suppress(OSError):
                    while end.recv(1 << 12):
                        pass
                end.close()
                done["messages"] += 1
            venue.clock.advance(600)  # wrong keys lock a name for a while
            region = venue.run.work.sessions.region  # type: ignore[union-attr]
            at = session_block.LOGINS // 8
            counts = [region.block(n)[at : at + len(REASONS)].sum() for n in range(3)]
            done["counted"] += int(sum(counts))
            client = venue.shm("CALM")
            client.logout()
            done["answers"] += 1
            if faults:
                raise Fault(f"SHM: {faults[:3]}")
    if done["counted"] != done["messages"]:
        raise Fault(f"{done['counted']} of {done['messages']} refused logins are counted")
    return done


def fuzz_shm_requests(count: int, seed: int | str) -> dict[str, int]:
    """``count`` hostile writes into the memory of a session that has logged in: requests of any
    fields, sequences and cursors that are wrong, noise, and slots changed once published.  What the
    session is ended for has a name, and another session is answered as before.  Each second venue
    has a session that rings, which may send bytes by its socket."""
    done = {"messages": 0, "logins": 0, "answers": 0}
    for number, size in enumerate(parts(count, A_VENUE_OF_WRITES)):
        rows = [
            session("EVIL", 1, protocol=SHM, timeout_ms=600_000_000, rings=number % 2 == 1),
            session("CALM", 2, protocol=SHM, timeout_ms=600_000_000),
        ]
        with InlineVenue(rows, sizes=SIZES) as venue:
            faults = watched(venue)
            calm, attacker = venue.shm("CALM"), None
            for at in range(size):
                if attacker is None or attacker.client.end != End.NONE:
                    if attacker is not None:
                        attacker.client.close()
                    attacker = Attacker(venue.shm("EVIL"), hash_of(seed, number, at))
                    done["logins"] += 1
                attacker.write()
                if at % WRITES_A_STEP == 0:
                    venue.step()
                if at % 1_000 == 0:
                    calm.enter(at + 1, Side.BUY, "ACME", 1, 1, time_in_force=TimeInForce.IOC)
                    if len(calm.told()) != 2:
                        raise Fault("another session is answered otherwise")
                    done["answers"] += 1
            done["messages"] += size
            if faults:
                raise Fault(f"SHM: {faults[:3]}")
    return done


def hash_of(*parts: object) -> int:
    """A number that depends on nothing else."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=6).digest())


def fuzz_tls(
    address: tuple[str, int],
    good: Callable[[random.Random], bytes],
    count: int,
    seed: int | str,
    context: ssl.SSLContext,
) -> dict[str, int]:
    """``count`` connections to a port that speaks TLS: noise and spoiled greetings in place of a
    handshake, and noise and spoiled first messages of a protocol after one."""
    rng, done = random.Random(f"{seed} tls"), {"messages": 0, "handshakes": 0, "answers": 0}
    hello = greeting()
    for number in range(count):
        source = f"127.{1 + number % 100}.{number // 100 % 250}.7"
        done["messages"] += 1
        with (
            suppress(OSError),
            socket.create_connection(address, 20, (source, 0)) as raw,
        ):
            if rng.random() < 0.7:
                data = rng.choice((noise.noise(rng, 2_000), noise.spoiled(rng, hello), hello[:99]))
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                raw.settimeout(0.02)
                with suppress(TimeoutError):
                    done["answers"] += bool(raw.recv(1 << 12))
                continue
            with context.wrap_socket(raw, server_hostname=address[0]) as line:
                done["handshakes"] += 1
                line.sendall(rng.choice((noise.noise(rng, 600), noise.spoiled(rng, good(rng)))))
                line.settimeout(0.02)
                with suppress(TimeoutError):
                    done["answers"] += bool(line.recv(1 << 12))
    return done


def greeting() -> bytes:
    """A ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    line = context.wrap_bio(incoming, outgoing, server_hostname="venue")
    with suppress(ssl.SSLWantReadError):
        line.do_handshake()
    return outgoing.read()


def soup_login(rng: random.Random) -> bytes:
    return soupbin.login_packet(soupbin.LoginRequest(f"N{rng.randrange(9)}", "x", "", 0))


# The portal.

VALUES = (
    "", "0", "-0", "1", "-1", "0.1", "1e999", "1e-999", "NaN", "Infinity", "-Infinity", "0x10",
    "00000000000000000001", "9223372036854775807", "9223372036854775808", "1" * 19, "9" * 20,
    "9" * 5_000, "0." + "0" * 19 + "1", "0." + "9" * 20, "1.", ".1", "1_000", " 1", "1 ", "\uff11",
    "\u0661", "BTCUSD", "BTCUSD ", "btcusd", "\u0412TCUSD", "BTC-USD", "BUY", "buy", "LIMIT",
    "MARKET", "GTC", "null", "true", "[]", '["BTCUSD"]', '["BTCUSD","BTCUSD"]', "[" * 500,
    '{"a":1}',
    "\0", "%00", "\r\n", "\x1b[31m", "\u202e", "'; drop table users; --", "${jndi:x}", "../../x",
    "=1+1", "a&b=c", "a=b", "x" * 36, "x" * 37, "\U0001f600", "signature", "SKIP",
    "-1:30", "14:00", "7d", "60m", "MICROSECOND",
)  # fmt: skip
NAMES = (
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price",
    "stopPrice", "icebergQty", "newClientOrderId", "origClientOrderId", "orderId", "cancelOrderId",
    "cancelReplaceMode", "cancelOrigClientOrderId", "cancelNewClientOrderId", "newOrderRespType",
    "selfTradePreventionMode", "recvWindow", "timestamp", "limit", "fromId", "startTime",
    "endTime", "interval", "listenKey", "cancelRestrictions", "trailingDelta", "omitZeroBalances",
    "computeCommissionRates", "strategyId", "signature", "apiKey", "__class__", "", "\0",
    "coin", "network", "address", "addressTag", "amount", "withdrawOrderId", "status", "offset",
    "asset", "clientTranId", "email", "fromEmail", "toEmail", "fromAccountType", "toAccountType",
    "subAccountString", "timeZone", "windowSize", "symbolStatus", "permissions", "strategyType",
    "returnRateLimits", "orderRateLimitExceededMode", "pegPriceType", "subscriptionId",
)  # fmt: skip
GOOD = {
    "symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "quantity": "0.001",
    "price": "100", "orderId": "1", "origClientOrderId": "x", "cancelReplaceMode": "ALLOW_FAILURE",
    "interval": "1m", "limit": "5", "coin": "USD", "network": "WIRE", "asset": "USD",
    "address": "DE02120300000000202051", "amount": "10", "fromAccountType": "SPOT",
    "toAccountType": "SPOT", "subAccountString": "grid",
}  # fmt: skip
NATIVE_GOOD = {
    "symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.001", "price": "100",
    "asset": "USD", "network": "WIRE", "address": "DE02120300000000202051", "amount": "10",
    "direction": "above", "source": 0, "target": 1, "currency": "USD", "label": "grid",
    "password": PASSWORD, "permissions": ["read"], "networks": [], "state": "open",
    "from": "2026-11-01", "until": "2026-11-30", "kind": "deposit", "number": 1,
    "weights": {"USD": 1}, "url": "https://example.com/x", "view": "volume",
}  # fmt: skip


def parameters(rng: random.Random, at: tuple[str, str]) -> dict[str, str]:
    """Right ones with a few replaced, left out or, now and then, added."""
    good = taken(at, GOOD) if at in ROUTES else GOOD
    chosen = {name: value for name, value in good.items() if rng.random() < 0.9}
    for _ in range(rng.randrange(4)):
        name = rng.choice(NAMES)
        if name in good or rng.random() < 0.1:
            chosen[name] = rng.choice(VALUES)
    return chosen


def signed(rng: random.Random, person: Person, at: tuple[str, str]) -> str:
    """A query with a right signature, or nearly."""
    given = {"timestamp": str(time.time_ns() // 1_000_000)} | parameters(rng, at)
    given.pop("signature", None)
    query = urlencode(given, errors="surrogatepass")
    key = person.secret.encode() if rng.random() < 0.95 else b"another"
    digest = hmac.new(key, query.encode(), hashlib.sha256).hexdigest()
    where = rng.random()
    if where < 0.02:
        return f"signature={digest}&{query}"
    return f"{query}&signature={digest if where < 0.98 else quote(rng.choice(VALUES))}"


def rest_request(rng: random.Random, person: Person) -> bytes:
    """One request to the portal, of each way that there is."""
    if rng.random() < 0.1:
        return request(rng)
    method, path = rng.choice([*ROUTES, *OTHER_PATHS])
    head, body = [], b""
    if rng.random() < 0.5:
        method, path, body = native_request(rng)
        if body and rng.random() < 0.1:
            body = noise.spoiled(rng, body)
        token = person.token
        if rng.random() < 0.1:
            token = rng.choice((token[:-1], "x", quote(rng.choice(VALUES))))
        head += ["content-type: application/json", f"authorization: Bearer {token[:4_000]}"]
        head += [f"idempotency-key: {rng.randrange(10**9)}"]
    else:
        query = signed(rng, person, (method, path))
        if rng.random() < 0.2:
            body = query.encode()
        else:
            path = f"{path}?{query[:8_000]}"
        key = person.api_key if rng.random() < 0.95 else quote(rng.choice(VALUES))[:4_000]
        head += [f"X-MBX-APIKEY: {key}"]
    if rng.random() < 0.03:
        method = rng.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"))
    head = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *head]
    raw = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return noise.spoiled(rng, raw) if rng.random() < 0.1 else raw


DOCUMENT = json.loads((ROOT / "docs" / "portal-openapi.json").read_text())
OTHER_PATHS = (("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/"))
ENDS_THE_LOGIN = ("/v1/logout", "/v1/logout-everywhere", "/v1/password", "/v1/api-keys/{number}")
"""Left out, or all that follows would be a stranger's; `test_portal_accounts` has them."""


def native_routes() -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Method, path, names of the query and fields of the body of the portal's own API."""
    found = []
    for path, methods in DOCUMENT["paths"].items():
        for method, about in methods.items():
            query = [one["name"] for one in about.get("parameters", ()) if one["in"] == "query"]
            content = about.get("requestBody", {}).get("content", {})
            name = content.get("application/json", {"schema": {"$ref": ""}})["schema"]["$ref"]
            schema = DOCUMENT["components"]["schemas"].get(name.rpartition("/")[2], {})
            if path not in ENDS_THE_LOGIN:
                fields = tuple(schema.get("properties", ()))
                found.append((method.upper(), path, tuple(query), fields))
    return found


NATIVE = native_routes()


def native_request(rng: random.Random) -> tuple[str, str, bytes]:
    """Method, path with its query, and body: most values are right, and some are anything."""
    method, path, query, fields = rng.choice(NATIVE)

    def value(name: str) -> Any:
        if rng.random() < 0.7:
            return NATIVE_GOOD.get(name, 1)
        return rng.choice((*VALUES, 1, 1.5, None, [], {}, -1, 2**63, 10**30))

    path = re.sub(r"{(\w+)}", lambda at: quote(str(value(at[1])), safe="")[:4_000], path)
    if query:
        given = {name: str(value(name)) for name in query if rng.random() < 0.7}
        path += f"?{urlencode(given, errors='surrogatepass')}"[:8_000]
    body = {name: value(name) for name in fields if rng.random() < 0.95}
    return method, path, json.dumps(body).encode() if fields else b""


def fuzz_rest(
    address: tuple[str, int], count: int, seed: int | str, source: str, person: Person
) -> dict[str, int]:
    return fuzz_page(address, count, seed, source, lambda rng: rest_request(rng, person))


def frame(data: bytes, first: int = 0x81) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    size = len(data)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + data


JSON = (
    None, True, 0, -1, 1.5, 1e308, 10**30, "", "x", "\ud800", "\0" * 64, [], [[]], {}, {"a": 1},
    ["combined"], ["combined", 1], "BTCUSD", "0.001", ["btcusd@depth"], ["btcusd@trade", None],
    ["!ticker@arr"], ["x" * 64], [1e308], "9" * 400,
)  # fmt: skip
STREAM_METHODS = (
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY", "",
)  # fmt: skip


def stream_text(rng: random.Random) -> str:
    message = {
        "id": rng.choice((1, *JSON)),
        "method": rng.choice(STREAM_METHODS),
        "params": rng.choice(JSON),
    }
    return json.dumps({name: value for name, value in message.items() if rng.random() < 0.95})


def api_text(rng: random.Random, person: Person) -> str:
    """A request of ``ws-api``, most with a right signature."""
    method = rng.choice([*SOCKET_METHODS, *OF_CONNECTION, "", "__class__"])
    params: dict[str, Any] = dict(parameters(rng, SOCKET_METHODS.get(method, ("", ""))))
    if rng.random() < 0.3:
        params[rng.choice(NAMES)] = rng.choice(JSON)
    params |= {"timestamp": time.time_ns() // 1_000_000, "apiKey": person.api_key}
    params.pop("signature", None)
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    digest = hmac.new(person.secret.encode(), text.encode("utf-8", "replace"), hashlib.sha256)
    params["signature"] = digest.hexdigest()
    return json.dumps({"id": rng.choice((1, "a")), "method": method, "params": params})


NATIVE_STREAM = "/v1/stream"
SOCKET_PATHS = (
    "/ws", "/stream", "/ws-api/v3", "/ws/btcusd@trade/x", "/stream?streams=/", NATIVE_STREAM,
    f"{NATIVE_STREAM}?format=msgpack",
)  # fmt: skip
OPERATIONS = ("subscribe", "subscribe", "unsubscribe", "auth", "ping", "")
CHANNELS = (*PUBLIC, *OWN, "", "no")


def native_text(rng: random.Random, person: Person) -> dict[str, Any]:
    """A request of ``/v1/stream``, most of which are right."""

    def value(right: Any) -> Any:
        return right if rng.random() < 0.85 else rng.choice((*JSON, *VALUES))

    at = str(time.time_ns() // 1_000_000)
    text = signed_text(at, "GET", NATIVE_STREAM, "")
    digest = hmac.new(person.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    login = {"token": value(person.token)}
    if rng.random() < 0.5:
        login = {"api_key": value(person.api_key), "timestamp": value(at)}
        login["signature"] = value(digest)
    message = {"op": value(rng.choice(OPERATIONS)), "id": value(1), **login}
    message |= {"channel": value(rng.choice(CHANNELS)), "after": value(rng.randrange(99))}
    if rng.random() < 0.6:
        message["symbol"] = value(rng.choice(("BTC-USD", "ETH-USD", "ETH-BTC")))
    return {name: value for name, value in message.items() if rng.random() < 0.97}


def native_frame(rng: random.Random, person: Person) -> bytes:
    """In JSON or MessagePack, whatever the answers are in."""
    message = native_text(rng, person)
    if rng.random() < 0.5:
        try:
            return frame(msgpack.packb(message, unicode_errors="surrogatepass"), 0x82)
        except OverflowError:  # a number that MessagePack does not have
            pass
    return frame(json.dumps(message).encode("utf-8", "surrogatepass"))


def socket_message(rng: random.Random, person: Person, path: str) -> tuple[bytes, bool]:
    """A message to a WebSocket, and whether the server may close the connection for it."""
    if path.startswith(NATIVE_STREAM):
        data = native_frame(rng, person)
    else:
        text = api_text(rng, person) if path == "/ws-api/v3" else stream_text(rng)
        data = frame(text.encode("utf-8", "surrogatepass"))
    what = rng.random()
    if what < 0.05:
        return noise.spoiled(rng, data), True
    if what < 0.06:
        first = rng.choice((0x81, 0x82, 0x80, 0xF1, 0x88))
        return frame(noise.noise(rng, 300), first), True
    return data, False


def fuzz_sockets(
    address: tuple[str, int], count: int, seed: int | str, source: str, person: Person
) -> dict[str, int]:
    """``count`` messages over WebSockets of each path, some of which are no frames; ``source``: the
    address, with ``{}`` for parts that are drawn for each connection."""
    done = {"messages": 0, "connections": 0, "answers": 0}
    key = base64.b64encode(os.urandom(16)).decode()

    async def talk(rng: random.Random, line: Line) -> None:
        path = rng.choice(SOCKET_PATHS)
        head = [f"GET {path} HTTP/1.1", "host: x", "upgrade: websocket", "connection: upgrade"]
        head += [f"sec-websocket-key: {key}", "sec-websocket-version: 13", "\r\n"]
        line.say("\r\n".join(head).encode())
        if not (await line.hear(DIAL_S) or b"").startswith(b"HTTP/1.1 101"):
            return
        done["connections"] += 1
        for _ in range(rng.randrange(1, 60)):
            if done["messages"] == count:
                break
            data, is_last = socket_message(rng, person, path)
            line.say(data)
            done["messages"] += 1
            if is_last:
                break
        while await line.hear():
            done["answers"] += 1

    fly(address, f"{seed} sockets", source, lambda: done["messages"] >= count, talk)
    return done
