"""Ways out of the portal: mail, a webhook, web push.  Each sends a batch of one user's notices.

What has failed is sent again, with the same ids: a receiver that knows an id has had it.
"""

import hashlib
import json
import smtplib
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openoutcry.operations.notify import MailServer, NotifyError
from openoutcry.operations.outward import Outward, OutwardError, signed
from openoutcry.portal.accounts.mails import to_file
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.notices.texts import said, word_line
from openoutcry.wire.atomic_file import create_atomically
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need
from openoutcry.wire.text import printable

MAIL_BATCH, HOOK_BATCH, PUSH_BATCH = 100, 100, 8
PUSH_TEXT = 120
"""Characters of a title or text in a push, whose payload has 3,993 bytes at most."""
PUSH_LASTS_S = 24 * 3_600
AGENT = "openoutcry-portal"
GONE = (404, 410)
"""Answers of a push service that has forgotten the subscription."""
Row = dict[str, Any]


class ChannelError(OutcryError):
    """It was not delivered, and is tried again unless ``is_gone``."""

    def __init__(self, text: str, is_gone: bool = False) -> None:
        super().__init__(text)
        self.is_gone = is_gone


@dataclass(frozen=True)
class Mailer:
    """``server`` None: a file that keeps the mails."""

    server: MailServer | None
    sender: str
    file: Path
    name: str
    """Name of the venue."""

    def send(
        self, recipient: str, rows: Sequence[Row], account: str, language: str, word: str = ""
    ) -> None:
        """One mail of a batch; ``account``: the sub-account that it is about; ``word``: that each
        mail to its owner has.  Raises :class:`ChannelError`."""
        several = said(language, "several", count=len(rows))
        subject = rows[0]["title"] if len(rows) == 1 else several
        text = "\n".join(_lines(rows)) + word_line(word, language)
        about = f"{said(language, 'sub-account', account=account)}: " if account else ""
        subject = f"{self.name}: {about}{subject}"
        if self.server is None:
            try:
                to_file(self.file)(recipient, subject, text)
            except NotifyError as error:
                raise ChannelError(str(error)) from None
            return
        message = EmailMessage()
        message["Subject"], message["From"] = printable(subject), self.sender
        message["To"] = recipient
        digest = hashlib.sha256(" ".join(row["key"] for row in rows).encode()).hexdigest()[:32]
        # The same batch again has the same name.
        message["Message-ID"] = f"<{digest}.{rows[0]['user_id']}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(printable(text, keep="\n"))
        try:
            with self.server.connected() as connection:
                connection.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelError(f"the mail server: {' '.join(str(error).split())}") from None


def _lines(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        at: datetime = row["created_at"]
        lines.append(f"{row['title']}")
        lines.append(f"  {row['body']}")
        lines.append(f"  {at:%Y-%m-%d %H:%M:%S} UTC, id {row['key']}")
    return lines


def shown(row: Row) -> Row:
    """A notice as every channel has it."""
    return {
        "id": row["key"],
        "number": row["id"],
        "event": row["event"],
        "title": row["title"],
        "text": row["body"],
        "data": row["data"],
        "created_at": row["created_at"].isoformat(),
        "read_at": row["read_at"].isoformat() if row["read_at"] else None,
    }


@dataclass(frozen=True)
class Hooks:
    """Webhooks: each user's secret, sealed in the database, signs what is posted to the user's
    URL."""

    outward: Outward
    key: SecretKey

    def send(self, user_id: int, url: str, sealed: bytes, rows: Sequence[Row]) -> None:
        """One signed request.  ``X-Outcry-Signature`` is HMAC-SHA256 of timestamp, a dot and the
        body.  Raises :class:`ChannelError`."""
        body = json.dumps({"notifications": [shown(row) for row in rows]}).encode()
        secret = self.key.open(sealed, f"webhook {user_id}")
        try:
            self.outward.post(url, body, signed(secret, body, AGENT))
        except OutwardError as error:
            raise ChannelError(str(error)) from None


class Push:
    """Web push (RFC 8030), encrypted for the browser (RFC 8291) and signed (VAPID, RFC 8292)."""

    def __init__(self, outward: Outward, key_file: Path, sender: str) -> None:
        """Reads the key of the portal, or makes it."""
        self.outward, self.sender = outward, sender
        self._library = need("pywebpush", "web push needs pywebpush", "portal")
        self._vapid = vapid_of(key_file)

    @property
    def public_key(self) -> str:
        """Return the public key for the browser, in base64url."""
        return public_key_of(self._vapid)

    def send(self, subscription: Row, rows: Sequence[Row]) -> None:
        """Raises :class:`ChannelError`."""
        notices = [short(row) for row in rows]
        body = json.dumps({"notifications": notices}).encode()
        keys = {name: subscription[name] for name in ("p256dh", "auth")}
        endpoint = subscription["endpoint"]
        try:
            pusher = self._library.WebPusher({"endpoint": endpoint, "keys": keys})
            content = pusher.encode(body, "aes128gcm")["body"]
        except Exception as error:  # keys that are no point of the curve
            raise ChannelError(f"the subscription's keys: {error}", is_gone=True) from None
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "sub": f"mailto:{self.sender}",
            "exp": int(time.time()) + 12 * 3_600,
        }
        headers = {
            **self._vapid.sign(claims),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(PUSH_LASTS_S),
            "Urgency": "high" if rows[-1]["is_urgent"] else "normal",
        }
        try:
            self.outward.post(endpoint, content, headers)
        except OutwardError as error:
            raise ChannelError(str(error), error.status in GONE) from None


def short(row: Row) -> Row:
    """A notice in a push: the page asks for the rest."""
    made = {name: value for name, value in shown(row).items() if name not in ("data", "read_at")}
    return made | {name: str(made[name])[:PUSH_TEXT] for name in ("title", "text")}


def vapid_of(path: Path) -> Any:
    """The key in a file, which is made if it is not there; its owner's alone."""
    vapid = need("py_vapid", "web push needs pywebpush", "portal")
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        create_atomically(path, pem)
    return vapid.Vapid02.from_pem(path.read_bytes())


def public_key_of(vapid: Any) -> str:
    """The public key that browsers subscribe with: an uncompressed point in base64url."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = Encoding.X962, PublicFormat.UncompressedPoint
    return urlsafe_b64encode(vapid.public_key.public_bytes(*form)).decode().rstrip("=")
