"""Clients of a venue in processes of its own, over FIX and OUCH 5.0."""

import time

from openoutcry.client import ClientError, FixClient
from openoutcry.wire.messages import OUCH50
from tests.support.order_entry.sessions_venue import PASSWORD, Client
from tests.support.waiting import BOUND_S

HEARTBEAT_S = 600
"""A busy machine lets these clients wait for each other longer than anybody's usual interval."""


class Patient(FixClient):
    def logout(self, timeout_s=BOUND_S):
        """Until the venue has answered and closed, so that the session is free."""
        super().logout(timeout_s)


def connect(venue, name="FIRM", password=PASSWORD, port="FIX44", **options):
    """Until the connection before is closed on the other side too."""
    until = time.monotonic() + BOUND_S
    options.setdefault("heartbeat_s", HEARTBEAT_S)
    while True:
        try:
            return Patient(
                "127.0.0.1", venue.ports[port], name, password, timeout_s=BOUND_S, **options
            )
        except ClientError as error:
            if "closed the connection" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.05)


def take(client, count):
    messages = [client.next(BOUND_S) for _ in range(count)]
    assert None not in messages
    return messages


def fields_of(client, count, *tags):
    return [tuple(message.get(tag) for tag in tags) for message in take(client, count)]


class Client50(Client):
    """A client of OUCH 5.0."""

    def message(self):
        kind, body = self.packet()
        assert kind == "S", (kind, body)
        self.messages.append(body)
        self.number += 1
        message = OUCH50.from_server(body[:1].decode())
        return body[:1].decode(), message.unpack(body[: message.size_bytes])

    def say(self, letter, **fields):
        message = OUCH50.from_client(letter)
        if letter in "OU":
            fields = {
                "time_in_force": "0",
                "display": "Y",
                "iso": "N",
                "clordid": "",
                "appendage_bytes": 0,
            } | fields
        if letter == "O":
            fields = {"capacity": "P", "cross": "N", "symbol": "ACME"} | fields
        self.send(message.pack(**fields))

    def enter(self, user_ref, side="B", quantity=100, price=1_000_000, **more):
        self.say("O", user_ref=user_ref, side=side, quantity=quantity, price=price, **more)

    def until(self, letter):
        """Messages up to the first of that letter."""
        while True:
            reply = self.message()
            if reply[0] == letter:
                return reply


def five(venue, name="FIVE", **login):
    return Client50(venue.ports["OUCH50"], name, **login)
