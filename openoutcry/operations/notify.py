"""Sends mail by SMTP, and posts JSON to a webhook."""

import contextlib
import http.client
import json
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openoutcry.wire import OutcryError
from openoutcry.wire.text import printable

TIMEOUT_S, TOTAL_S = 5.0, 10.0
"""Seconds between two reads of an answer, and for all of its head."""


class NotifyError(OutcryError):
    """The notification could not be sent."""


def _shown(url: str) -> str:
    """The path of a webhook is often its secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class _Here(urllib.request.HTTPRedirectHandler):
    """A notification goes only to its configured address: redirections are not followed."""

    def redirect_request(self, *args: Any) -> None:
        return None


class _Bounded(http.client.HTTPResponse):
    """An answer whose status and headers come within TOTAL_S, however slowly a server drips them:
    the time between two reads alone would bound nothing."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        def cut() -> None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

        self._cut = threading.Timer(TOTAL_S, cut)
        self._cut.daemon = True
        super().__init__(sock, *args, **more)

    def begin(self) -> None:
        self._cut.start()
        try:
            super().begin()
        finally:
            self._cut.cancel()


class _Http(http.client.HTTPConnection):
    response_class = _Bounded


class _Https(http.client.HTTPSConnection):
    response_class = _Bounded


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Https, request)


_OPENER = urllib.request.build_opener(_Here, _HttpHandler, _HttpsHandler)


def post_json(url: str, document: Any) -> None:
    """POST a document.  Raises :class:`NotifyError`, which does not name the URL's path."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotifyError(f"{_shown(url)}: not http:// or https://")
    request = urllib.request.Request(
        url, json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S):
            return
    except (OSError, http.client.HTTPException) as error:
        raise NotifyError(f"{_shown(url)}: {error}") from None


SMTP_TLS = ("never", "starttls", "always")
"""How mail is sent: in the clear, with STARTTLS (RFC 3207) or over TLS from the first byte (RFC
8314).  Where either is configured, mail is sent only so, to a server whose certificate is good."""


@dataclass(frozen=True)
class MailServer:
    """Takes mail; ``tls`` is one of :data:`SMTP_TLS`, ``authorities`` a file of certificates that
    are trusted instead of the system's."""

    host: str
    port: int
    tls: str = "never"
    authorities: Path | None = None

    def connected(self) -> smtplib.SMTP:
        """Raises OSError or ``smtplib.SMTPException``."""
        if self.tls == "never":
            return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        trusted = ssl.create_default_context(cafile=self.authorities)
        if self.tls == "always":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=trusted)
        connection = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.starttls(context=trusted)
        except BaseException:
            connection.close()
            raise
        return connection


def send_mail(
    server: MailServer, sender: str, recipients: Sequence[str], subject: str, text: str
) -> None:
    """One message by SMTP.  Raises :class:`NotifyError`."""
    message = EmailMessage()
    message["Subject"], message["From"] = printable(subject), sender
    message["To"] = ", ".join(recipients)
    message.set_content(printable(text, keep="\n"))
    try:
        with server.connected() as connection:
            connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotifyError(f"{server.host}:{server.port}: {error}") from None
