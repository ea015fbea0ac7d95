"""Tells people of an incident: by mail, by a signed webhook, and by a text message through an HTTP
gateway.

The gateway's request is a JSON document ``{"from", "to", "text", "id"}`` with a bearer token, which
gateways and their adapters take in this or a similar form; an answer of 2xx means that it was
taken.  Reports to those outside are signed (Ed25519) where a key is configured.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from openoutcry.operations.incidents import ADDRESS, IncidentError, Outsiders, Person, Settings
from openoutcry.operations.notify import MailServer, NotifyError, send_mail
from openoutcry.operations.outward import Outward, OutwardError, signed
from openoutcry.wire.extras import need
from openoutcry.wire.private_file import read_private

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The operator names these URLs: networks of the house are reached, too."""
AGENT = "openoutcry-incidents"
TEXT_CHARACTERS = 300
"""Of a text message: two parts of a short message."""


class Pager:
    """The ways of a settings file."""

    def __init__(self, settings: Settings) -> None:
        """Reads the secrets.  Raises :class:`IncidentError` naming a file that is missing, not
        private or no key."""
        self.settings, self.outward = settings, Outward(networks=EVERYWHERE)
        ways = settings.ways
        self.secrets = {
            way: self._secret(ways[way][key])
            for way, key in (("webhook", "secret_file"), ("sms", "token_file"))
            if way in ways
        }
        self.keys = {
            one.name: _key(self._secret(one.key_file), one.key_file)
            for one in settings.outsiders
            if one.key_file
        }
        self.server = _server(settings, ways["mail"]) if "mail" in ways else None

    def _secret(self, name: str) -> str:
        return read_private(self.settings.path.parent / name, IncidentError)

    def tell(
        self, person: Person, message: str, subject: str, said: str
    ) -> Iterator[tuple[str, str]]:
        """Tell a person by each way; yields the way and its error, or ""."""
        sends = {"mail": self._mail, "webhook": self._webhook, "sms": self._text}
        for way, key in ADDRESS.items():
            if address := getattr(person, key):
                try:
                    sends[way](address, message, subject, said)
                except (NotifyError, OutwardError) as error:
                    yield way, " ".join(str(error).split())
                else:
                    yield way, ""

    def tell_outsiders(self, outsiders: Outsiders, message: str, subject: str, said: str) -> str:
        """Mail a report, signed if there is a key; returns the error, or ""."""
        if key := self.keys.get(outsiders.name):
            signature = b64encode(key.sign(said.encode())).decode()
            public = b64encode(key.public_key().public_bytes_raw()).decode()
            said = f"{said}\n\nid: {message}\npublic key: {public}\nsignature: {signature}"
        try:
            self._mails(outsiders.mails, subject, said)
        except NotifyError as error:
            return " ".join(str(error).split())
        return ""

    def _mail(self, address: str, message: str, subject: str, said: str) -> None:
        self._mails([address], subject, f"{said}\nid: {message}")

    def _mails(self, addresses: Any, subject: str, said: str) -> None:
        assert self.server is not None, "the settings were checked"
        send_mail(self.server, self.settings.ways["mail"]["from"], addresses, subject, said)

    def _webhook(self, url: str, message: str, subject: str, said: str) -> None:
        document = {"id": message, "subject": subject, "text": said}
        body = json.dumps(document).encode()
        self.outward.post(url, body, signed(self.secrets["webhook"].encode(), body, AGENT))

    def _text(self, phone: str, message: str, subject: str, said: str) -> None:
        sms = self.settings.ways["sms"]
        document = {"from": sms["sender"], "to": phone, "text": subject[:TEXT_CHARACTERS]}
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "Authorization": f"Bearer {self.secrets['sms']}",
        }
        body = json.dumps(document | {"id": message}).encode()
        self.outward.post(sms["url"], body, headers)


def _server(settings: Settings, mail: dict[str, Any]) -> MailServer:
    authorities = settings.path.parent / mail["authorities"] if mail["authorities"] else None
    host, port = mail["server"]
    return MailServer(host, port, mail["tls"], authorities)


def _key(given: str, name: str) -> Any:
    module = "cryptography.hazmat.primitives.asymmetric.ed25519"
    library = need(module, "signed reports need cryptography", "ledger", IncidentError)
    try:
        return library.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(given))
    except ValueError:
        raise IncidentError(f"{name}: not a key of 64 hexadecimal digits") from None
