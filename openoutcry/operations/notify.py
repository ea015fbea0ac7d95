"""Sends an alarm to those who should know of it: a webhook, e-mail, a line on the terminal."""

import contextlib
import http.client
import json
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openoutcry.operations.evaluate import ActiveAlarm, State
from openoutcry.wire import OutcryError
from openoutcry.wire.text import printable

TIMEOUT_S, TOTAL_S = 5.0, 10.0
"""Seconds between two reads of an answer, and for all of its head."""
Notify = Callable[[Sequence[ActiveAlarm]], None]


class NotifyError(OutcryError):
    """The notification could not be sent; the alarm stays active."""


def line(active: ActiveAlarm) -> str:
    """Return an alarm in one line: state, severity, name, summary, labels."""
    labels = ", ".join(f"{key} {value}" for key, value in sorted(active.labels))
    where = f" ({labels})" if labels else ""
    alarm = active.alarm
    return f"{active.state}: {alarm.severity}: {alarm.name}: {alarm.summary}{where}"


def document(active: ActiveAlarm) -> dict[str, Any]:
    """Return the alarm in Alertmanager's form, with the value that was found."""
    alarm = active.alarm
    alert = {
        "status": str(active.state),
        "value": active.value,
        "labels": {"alertname": alarm.name, "severity": alarm.severity, **dict(active.labels)},
        "annotations": {"summary": alarm.summary},
    }
    over = {"endsAt": datetime.now(UTC).isoformat()} if active.state is State.RESOLVED else {}
    return alert | over


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


def webhook(url: str) -> Notify:
    """A POST of JSON in the shape of Alertmanager's webhook, version 4."""

    def notify(changed: Sequence[ActiveAlarm]) -> None:
        over = all(one.state is State.RESOLVED for one in changed)
        alerts = [document(one) for one in changed]
        post_json(
            url,
            {
                "version": "4",
                "receiver": "openoutcry",
                "alerts": alerts,
                "status": "resolved" if over else "firing",
            },
        )

    return notify


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


def mail(server: MailServer, sender: str, recipients: Sequence[str]) -> Notify:
    """One message by SMTP for what has changed at once."""

    def notify(changed: Sequence[ActiveAlarm]) -> None:
        worst = min((one.alarm.severity for one in changed), default="")
        names = ", ".join(sorted({one.alarm.name for one in changed}))
        text = "\n".join(map(line, changed))
        send_mail(server, sender, recipients, f"[{worst}] {names}", text)

    return notify
