"""Every example of docs/order-entry.md is run: what is sent, and each message that comes back."""

import re

import pytest
from click.testing import CliRunner

from openoutcry.cli.client import client as client_command
from openoutcry.client import OuchClient
from openoutcry.client.ouch import _option
from openoutcry.wire.messages import OUCH42, OUCH50
from tests.support.client.order_entry_page import EXAMPLES, PROMPTS
from tests.support.order_entry.ouch_server import OuchServer
from tests.support.waiting import BOUND_S

DEFAULTS = {"display": "Y", "capacity": "P", "iso": "N", "cross": "N", "customer": " "}


def value(text):
    return int(text) if re.fullmatch(r"\d+", text) else text


def send(client, protocol, kind, fields):
    message = protocol.from_client(kind)
    defaults = DEFAULTS | {"time_in_force": "0" if client.is_50 else 99_999}
    terms = {k: v for k, v in defaults.items() if k in message.offsets}
    terms |= {k: v for k, v in fields.items() if k in message.offsets}
    if client.is_50 and "time_in_force" in terms:
        terms["time_in_force"] = str(terms["time_in_force"])
    options = b"".join(_option(k, v) for k, v in fields.items() if k not in message.offsets)
    if "appendage_bytes" in message.offsets:
        terms["appendage_bytes"] = len(options)
    client.connection.send(message.pack(**terms) + options)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(number):
    version, text = EXAMPLES[number]
    accounts = {"ALICE": "secret", "BOB": "hush"}
    with OuchServer(accounts, version) as server:
        clients = {
            name: OuchClient("127.0.0.1", server.port, name, password, version=version, sequence=1)
            for name, password in accounts.items()
        }
        for line in text.strip().splitlines():
            name, arrow, kind, words = re.fullmatch(r"(\w+)([<>]) (\w) ?(.*)", line).groups()
            fields = {k: value(v) for k, v in (word.split("=") for word in words.split())}
            client = clients[name]
            if arrow == ">":
                protocol = OUCH50 if client.is_50 else OUCH42
                send(client, protocol, kind, fields)
                continue
            message = client.next(timeout_s=BOUND_S)
            assert message is not None, line
            assert message.kind == kind, (line, message)
            assert {key: message[key] for key in fields} == fields, (line, message)
        for client in clients.values():
            assert client.next(timeout_s=0.05) is None
            client.logout()


@pytest.mark.parametrize("number", range(len(PROMPTS)))
def test_what_is_typed_at_the_prompt(number):
    version, text = PROMPTS[number]
    typed = "".join(f"{line[2:]}\n" for line in text.splitlines() if line.startswith("> "))
    replies = [line for line in text.splitlines() if not line.startswith("> ")]
    with OuchServer({"ALICE": "secret"}, version) as server:
        protocol = "ouch50" if version == "5.0" else "ouch"
        to = ["ouch", f"127.0.0.1:{server.port}", "--protocol", protocol]
        who = ["--user", "ALICE", "--password", "secret"]
        done = CliRunner().invoke(client_command, [*to, *who], input=typed)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == ["session DAY1, next message 1", *replies]
