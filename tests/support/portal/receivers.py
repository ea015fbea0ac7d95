"""Where notifications go in tests: a mail server, a webhook's host, a push service that decrypts.

Each is a real server in a thread, keeps what it was sent, and can refuse, hang or redirect.
"""

import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Host:
    """An HTTP server; ``answer``: a status, or ``hang``."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: int | str = 204
        self.location = ""
        self.released = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                host.requests.append((self.path, dict(self.headers.items()), body))
                if host.answer == "hang":
                    host.released.wait(60)
                    return
                self.send_response(int(host.answer))
                if host.location:
                    self.send_header("location", host.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> "Host":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def notices(self) -> list[dict[str, Any]]:
        """Return the notices of every request, in order; one that was sent twice is there twice."""
        found = []
        for _, _, body in list(self.requests):
            found += json.loads(body)["notifications"]
        return found

    def ids(self) -> list[str]:
        return [one["id"] for one in self.notices()]


class PushService(Host):
    """Decrypts what a browser would, and checks the portal's signature."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = bytes(range(16))

    def subscription(self, name: str = "one") -> dict[str, str]:
        """What the browser hands to the portal."""
        form = Encoding.X962, PublicFormat.UncompressedPoint
        point = self.key.public_key().public_bytes(*form)
        return {
            "endpoint": f"http://127.0.0.1:{self.port}/push/{name}",
            "p256dh": urlsafe_b64encode(point).decode().rstrip("="),
            "auth": urlsafe_b64encode(self.auth).decode().rstrip("="),
            "label": "a browser",
        }

    def notices(self) -> list[dict[str, Any]]:
        import http_ece

        found = []
        for _, _, body in list(self.requests):
            text = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth)
            found += json.loads(text)["notifications"]
        return found

    def claims(self, public_key: str) -> list[dict[str, Any]]:
        """Return the claims of each request's signature, which is checked with the portal's key."""
        import jwt

        raw = urlsafe_b64decode(public_key + "=" * (-len(public_key) % 4))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        found = []
        for _, headers, _ in list(self.requests):
            parts = dict(
                part.strip().split("=", 1)
                for part in headers["Authorization"].removeprefix("vapid ").split(",")
            )
            assert parts["k"] == public_key
            origin = f"http://127.0.0.1:{self.port}"
            found.append(jwt.decode(parts["t"], key, ["ES256"], audience=origin))
        return found
