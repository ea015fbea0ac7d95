"""TLS of a port that listens: its certificate and key are loaded, or it is said why not."""

import ssl
from pathlib import Path

from openoutcry.wire.errors import OutcryError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a server with these (PEM).

    Raises :class:`OutcryError` for files that cannot be read, are not PEM, do not belong together,
    or whose key has a passphrase: no user is there to enter it.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    both = f"{certificate} and {key}"
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        why = f": {error.reason.replace('_', ' ').lower()}" if error.reason else ""
        raise OutcryError(f"{both} are not a certificate and key in PEM{why}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OutcryError(f"{both} cannot be read: {why}") from None
    return context
