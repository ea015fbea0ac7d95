"""An emergency close of a real venue: a real mail server, a webhook's host and a gateway of text
messages are told until somebody acknowledges, and the record has what operators did."""

import hashlib
import hmac
import json
import re
import subprocess
from base64 import b64decode
from contextlib import contextmanager
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from openoutcry.venue.desk import ask
from tests.support.console.console_venue import OPERATORS_HASH
from tests.support.console.console_venue import PASSWORD as OPERATORS_PASSWORD
from tests.support.pipeline import warm_outcry
from tests.support.portal.receivers import Host
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import VENUE, ServedVenue
from tests.support.waiting import BOUND_S, wait_until

OPERATORS = "".join(
    f'[[operator]]\nname = "{name}"\npassword = "{OPERATORS_HASH}"\n' for name in ("anna", "bert")
)
FILE = """
venue = "venue.toml"
alarms = ["EmergencyClose"]

[mail]
server = "127.0.0.1:{smtp}"
from = "venue@example.org"
tls = "never"

[webhook]
secret_file = "hook.secret"

[sms]
url = "{url}/sms"
token_file = "sms.token"
sender = "TEST"

[[person]]
name = "anna"
mail = "anna@example.org"
webhook = "{url}/anna"
phone = "+43 1 234"

[[level]]
repeat_s = 10
people = ["anna"]

[[outsiders]]
name = "authority"
mails = ["desk@authority.example"]
alarms = ["EmergencyClose"]
key_file = "report.key"
"""
SECRETS = {"hook.secret": "a secret", "sms.token": "a token", "report.key": "07" * 32}


class Mails:
    """Keeps what a mail server takes."""

    def __init__(self):
        self.got = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        message = message_from_bytes(envelope.content)
        text = message.get_payload(decode=True).decode()
        self.got.append((envelope.rcpt_tos, message["Subject"], text))
        return "250 taken"


@pytest.fixture
def venue(tmp_path):
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00", "", VENUE + OPERATORS)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    yield venue
    venue.stop()


@contextmanager
def watching(folder):
    command = [*OUTCRY, "venue", "incidents", "watch", "incidents.toml"]
    watch = warm_outcry.Process(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert "1 alarms are watched" in watch.stderr.readline()
        yield watch
    finally:
        watch.terminate()
        assert watch.wait(BOUND_S) == 0
        watch.stderr.close()


def test_an_emergency_close_is_told_until_somebody_acknowledges(venue):
    folder, mails = venue.folder, Mails()
    for name, text in SECRETS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)

    def incidents(command, *options):
        whole = [*OUTCRY, "venue", "incidents", command, "incidents.toml", *options]
        done = warm_outcry.run_command(whole, cwd=folder)
        return done.returncode, done.stdout + done.stderr

    server = Controller(mails, hostname="127.0.0.1", port=free_port())
    server.start()
    with Host() as host:
        url = host.url.removesuffix("/hook")
        (folder / "incidents.toml").write_text(FILE.format(smtp=server.port, url=url))
        with watching(folder):
            ask(venue.journal, {"do": "emergency-close", "why": "the feed is wrong"})
            wait_until(lambda: len(host.requests) >= 2 and len(mails.got) >= 2, "people are told")
            first = dict(zip(("to", "subject", "text"), mails.got[0], strict=True))
            assert first["to"] == ["anna@example.org"]
            said = "incident 1 (critical, open): an emergency close was started"
            assert first["subject"].replace("\n", "") == said
            assert "outcry venue incidents acknowledge incidents.toml 1" in first["text"]
            hook, text = host.requests[:2]
            require_signed(hook)
            assert text[0] == "/sms"
            assert text[1]["Authorization"] == "Bearer a token"
            sent = json.loads(text[2])
            assert sent == {"from": "TEST", "to": "+43 1 234", "text": said, "id": "1.1.1.anna"}
            require_signed_report(mails.got[1])
            # Again, with the number of the round, until somebody acknowledges.
            wait_until(lambda: "1.1.2.anna" in mails.got[-1][2], "they are told again")
            done = incidents("acknowledge", "1", "--by", "anna", "--note", "on it")
            assert done == (0, "incident 1 is acknowledged by anna\n")
            assert "its alarm still fires" in incidents("close", "1", *CLOSED)[1]
            for name in ("anna", "bert"):
                enable = {"do": "enable", "what": "market", "why": "checked", "operator": name}
                ask(venue.journal, enable | {"password": OPERATORS_PASSWORD})
            wait_until(lambda: " ended" in record(incidents), "the alarm is over")
            assert incidents("close", "1", *CLOSED) == (0, "incident 1 is closed\n")
            wait_until(lambda: "cause: a wrong feed" in mails.got[-1][2], "the record is sent")
            require_signed_report(mails.got[-1])
        told = record(incidents)
        for line in (
            "desk: told anna by mail",
            "desk: told anna by sms",
            "anna: acknowledged: on it",
            "desk: told authority",
            "log info: requested by the account: emergency-close: the feed is wrong",
            "log info: requested by bert: enable market: checked",
        ):
            assert line in told, told
    server.stop()


CLOSED = ("--by", "anna", "--cause", "a wrong feed", "--actions", "another source")


def record(incidents):
    status, text = incidents("show", "1")
    assert status == 0, text
    return text


def require_signed(request):
    path, headers, body = request
    assert path == "/anna"
    assert json.loads(body)["id"] == "1.1.1.anna"
    signed = headers["X-Outcry-Timestamp"].encode() + b"." + body
    digest = hmac.new(SECRETS["hook.secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Outcry-Signature"] == f"v1={digest}"


def require_signed_report(mail):
    """Whoever has the public key can check what was mailed."""
    to, _, text = mail
    assert to == ["desk@authority.example"]
    report, _, rest = text.replace("\r\n", "\n").partition("\n\nid: ")
    key, signature = (re.search(f"{name}: (\\S+)", rest)[1] for name in ("key", "signature"))
    wanted = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRETS["report.key"])).public_key()
    assert b64decode(key) == wanted.public_bytes_raw()
    Ed25519PublicKey.from_public_bytes(b64decode(key)).verify(b64decode(signature), report.encode())


def test_a_rehearsal_tells_everybody_and_says_who_cannot_be_told(venue):
    folder = venue.folder
    for name, text in SECRETS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    with Host() as host:
        url = host.url.removesuffix("/hook")
        (folder / "incidents.toml").write_text(FILE.format(smtp=free_port(), url=url))
        command = [*OUTCRY, "venue", "incidents", "rehearse", "incidents.toml"]
        done = warm_outcry.run_command(command, cwd=folder)
        assert done.returncode == 1, done.stdout
        assert "anna by mail: 127.0.0.1:" in done.stdout
        assert "anna by webhook: told\nanna by sms: told\nincident 1\n" in done.stdout
        assert [path for path, _, _ in host.requests] == ["/anna", "/sms"]
        assert "rehearsal" in json.loads(host.requests[1][2])["text"]
