"""Traders that send as fast as they are answered while everything is broken under them."""

import random
import threading
import time

from tests.support.order_entry.sessions_venue import enter
from tests.support.waiting import BOUND_S, wait_until

BURST = 500
"""Orders of one connection, after which a trader slows down: while a busy machine takes its time to
break it, the tables of a small venue would fill up, and refuse what comes then."""
PAUSE_S = 0.1


class Trader(threading.Thread):
    """Sends orders as fast as they are acknowledged, and keeps what it is told, until the
    connection goes; after that it goes on from its next number."""

    def __init__(self, name):
        super().__init__()
        self.trader, self.rng = name, random.Random(name)
        self.messages = []
        self.sent = 0
        self.unanswered = []
        self.stopping = False
        self.wrong = ""

    def trade(self, port_client):
        """On one connection; whatever was not answered before is sent again, as it was."""
        begun = self.sent
        client = port_client(self.trader, sequence=len(self.messages) + 1)
        if client.number != len(self.messages) + 1:
            self.wrong = f"{client.answer} after {len(self.messages)} messages"
            return
        for token in self.unanswered:
            client.send(self.order(token))
        while not self.stopping:
            try:
                while len(self.unanswered) < 20:
                    if self.sent - begun >= BURST:
                        time.sleep(PAUSE_S)
                    self.sent += 1
                    self.unanswered.append(self.sent)
                    client.send(self.order(self.sent))
                kind, body = client.packet()
            except OSError:
                break
            if kind != "S":
                break
            self.messages.append(body)
            if body[:1] == b"A":
                token = self.token(body)
                self.unanswered = [one for one in self.unanswered if one != token]
            elif body[:1] == b"J":
                self.wrong = f"refused: {body!r}"
                break
        client.close()

    def order(self, token):
        side = "B" if (token + int(self.trader[1])) % 2 else "S"
        tif = 99998 if token % 5 == 0 else 0  # four of five are gone at once: the book stays small
        return enter(str(token), side, 1 + token % 7, "ACME", 10_000, time_in_force=tif)

    def token(self, body):
        """Return the token of an Accepted."""
        return int(body[9:23])

    def check(self):
        """Each token was accepted once, in its order."""
        accepted = [self.token(body) for body in self.messages if body[:1] == b"A"]
        assert not self.wrong, self.wrong
        assert sorted(set(accepted)) == sorted(accepted), "an order was doubled"
        return accepted


def storm(traders, client, rounds, rng, break_it):
    """Trade, break, trade again; ``client(name, sequence=...)`` connects.  A round is broken when
    each trader has had a number of messages that ``rng`` draws, or has lost its connection.  A
    trader that connects only after the break ends with its round: left to the next death, it would
    take that from the next round, and the last one would have none."""
    for _ in range(rounds):
        enough = [len(t.messages) + rng.randint(40, 120) for t in traders]
        threads = [threading.Thread(target=t.trade, args=(client,), daemon=True) for t in traders]
        for thread in threads:
            thread.start()

        def traded(enough=enough, threads=threads):
            assert not any(t.wrong for t in traders), [t.wrong for t in traders]
            return not any(
                thread.is_alive() and len(t.messages) < count
                for t, count, thread in zip(traders, enough, threads, strict=True)
            )

        wait_until(traded, "each trader has had enough messages")
        break_it()
        for trader in traders:
            trader.stopping = True
        for thread in threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()
        for trader in traders:
            trader.stopping = False


def content_of(message):
    """Everything but what each sending decides, and when it was said first."""
    body = tuple(pair for pair in message.fields if pair[0] not in (9, 10, 43, 52, 122))
    return body, message.get(122) or message[52]
