"""Every example of docs/order-entry.md is run: what is sent, and each message that comes back."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from ouch_server import OuchServer

from openoutcry.cli.client import client as client_command
from openoutcry.cli.prompt import Prompt
from openoutcry.client import OuchClient
from openoutcry.client.ouch import _option
from openoutcry.wire.messages import OUCH42, OUCH50

PAGE = Path(__file__).resolve().parents[2] / "docs" / "order-entry.md"
EXAMPLES = re.findall(r"```ouch (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
PROMPTS = re.findall(r"```prompt (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
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
            message = client.next(timeout_s=300)
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


def test_every_command_of_the_prompt_is_on_the_page():
    commands = set(re.findall(r"^([a-z-]+)", Prompt.help, re.M)) | {"sell", "enable", "query"}
    commands |= {"listen"}
    shown = {line.split()[1] for _, text in PROMPTS for line in text.splitlines() if line[0] == ">"}
    assert commands - shown == {"listen"}, "listen waits for ever"


def test_every_message_that_a_client_may_send_has_an_example():
    for version, protocol in (("4.2", OUCH42), ("5.0", OUCH50)):
        text = "".join(body for v, body in EXAMPLES if v == version)
        sent = set(re.findall(r"> (\w)", text))
        assert sent == {message.kind for message in protocol.client}
