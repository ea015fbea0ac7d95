"""Sends mail by SMTP."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from openoutcry.wire import OutcryError
from openoutcry.wire.text import printable

TIMEOUT_S = 5.0
"""Seconds between two reads of an answer."""


class NotifyError(OutcryError):
    """The notification could not be sent."""


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
