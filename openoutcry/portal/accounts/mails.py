"""Mails of the portal: sent by SMTP, or kept in a file where no server is named."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from openoutcry.operations.notify import MailServer, NotifyError, send_mail

Send = Callable[[str, str, str], None]
"""Recipient, subject, text; raises :class:`NotifyError`."""


def by_smtp(server: MailServer, sender: str) -> Send:
    """A way to send mails by this server; ``sender`` is the address that they come from."""

    def send(recipient: str, subject: str, text: str) -> None:
        send_mail(server, sender, [recipient], subject, text)

    return send


def to_file(path: Path) -> Send:
    """A line of JSON for each mail; the file is its owner's alone."""

    def send(recipient: str, subject: str, text: str) -> None:
        row = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "to": recipient,
            "subject": subject,
            "text": text,
        }
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            with open(os.open(path, flags, 0o600), "a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
        except OSError as error:
            raise NotifyError(f"{path}: {error.strerror}") from None

    return send
