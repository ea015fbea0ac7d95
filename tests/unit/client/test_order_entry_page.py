"""Every example of docs/order-entry.md is run: what is sent, and each message that comes back."""

import re

from openoutcry.cli.prompt import Prompt
from openoutcry.wire.messages import OUCH42, OUCH50
from tests.support.client.order_entry_page import EXAMPLES, PROMPTS

NOT_OVER_OUCH = {"list", "cancel-list", "list-status", "quote", "quote-cancel"}


def test_every_command_of_the_prompt_is_on_the_page():
    commands = set(re.findall(r"^([a-z-]+)", Prompt.help, re.M)) | {"sell", "enable", "query"}
    commands |= {"listen"}
    shown = {line.split()[1] for _, text in PROMPTS for line in text.splitlines() if line[0] == ">"}
    assert commands - shown - NOT_OVER_OUCH == {"listen"}, "listen waits for ever"


def test_every_message_that_a_client_may_send_has_an_example():
    for version, protocol in (("4.2", OUCH42), ("5.0", OUCH50)):
        text = "".join(body for v, body in EXAMPLES if v == version)
        sent = set(re.findall(r"> (\w)", text))
        assert sent == {message.kind for message in protocol.client}
