"""Sends what rules have found by mail and webhook, in threads that only do that: a receiver that
cannot be reached is tried again, and no session waits for another's."""

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from threading import Condition, Thread
from typing import Any
from urllib.parse import urlsplit

from openoutcry.console.screen.rules import Rule, RuleError, require_allowed
from openoutcry.operations.notify import MailServer, NotifyError, send_mail
from openoutcry.operations.outward import Outward, OutwardError

TRIES, AGAIN_S = 5, 20.0
MAX_WAITING = 200
"""Messages of one session that wait at most."""
THREADS = 16
"""How many messages are sent at once; of a session, one at a time."""
EACH_MINUTE = 30
"""Messages of one session beyond these are shown on the page alone."""
OUTWARD = Outward(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
"""The operator names hosts and ports (:func:`require_allowed`), also within its own network."""


@dataclass
class Message:
    """A message under way; ``due_s``: not before that time of the notifier's clock."""

    session: str
    rule: Rule
    text: str
    to: str
    """mail or webhook."""
    tries: int = 0
    due_s: float = 0.0


class Notifier:
    """Sends; ``failed`` is given the session and words of what could not be sent."""

    def __init__(
        self,
        venue: str,
        smtp: MailServer | None,
        sender: str,
        failed: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
        hosts: tuple[str, ...] = (),
    ) -> None:
        """``hosts``: where webhooks may go."""
        self.venue, self.smtp, self.sender, self.hosts = venue, smtp, sender, hosts
        self.failed, self.clock = failed, clock
        self._waiting: dict[str, deque[Message]] = {}
        """By session: the waiting messages, the oldest first."""
        self._busy: set[str] = set()
        """Sessions of which a message is being sent."""
        self._sent: dict[str, deque[float]] = {}
        self._wake, self._over = Condition(), False
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin to send, in threads."""
        self._threads = [
            Thread(target=self._run, daemon=True, name=f"screen-notifier-{number}")
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; waits 5 s at most, and what was not sent is lost."""
        with self._wake:
            self._over = True
            self._wake.notify_all()
        until_s = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def notify(self, session: str, rule: Rule, text: str) -> None:
        """Send by every way that the rule names; the page shows the message anyway."""
        for to in ("mail", "webhook"):
            if getattr(rule, to) and self._may(session):
                with self._wake:
                    queue = self._waiting.setdefault(session, deque())
                    queue.append(Message(session, rule, text, to))
                    self._wake.notify()

    def waiting(self, session: str) -> int:
        """Messages of the session that are not sent yet."""
        with self._wake:
            return len(self._waiting.get(session, ()))

    def _may(self, session: str) -> bool:
        now_s = self.clock()
        sent = self._sent.setdefault(session, deque(maxlen=EACH_MINUTE))
        over = len(sent) == EACH_MINUTE and now_s - sent[0] < 60
        if over or self.waiting(session) >= MAX_WAITING:
            self.failed(session, "too many messages in a minute; this one is shown only here")
            return False
        sent.append(now_s)
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._over and (message := self.take()) is None:
                    self._wake.wait(1.0)
                if self._over:
                    return
            assert message is not None
            self.send(message)

    def take(self) -> Message | None:
        """The next message to be sent, in turns of sessions: its session waits for it."""
        now_s = self.clock()
        for session, queue in self._waiting.items():
            if session in self._busy:
                continue
            message = next((one for one in queue if one.due_s <= now_s), None)
            if message is not None:
                queue.remove(message)
                self._busy.add(session)
                # The others' turn comes first, the next time.
                self._waiting[session] = self._waiting.pop(session)
                return message
        return None

    def send(self, message: Message) -> None:
        """Send what :meth:`take` gave; what fails, and all else of the session that goes to the
        same address, is due again after a while."""
        try:
            self._post(message)
        except (NotifyError, RuleError) as error:
            message.tries += 1
            with self._wake:
                queue = self._waiting[message.session]
                if message.tries < TRIES:
                    queue.appendleft(message)
                for one in queue:
                    if self._address(one) == self._address(message):
                        one.due_s = self.clock() + AGAIN_S
            if message.tries in (1, TRIES):
                self.failed(message.session, f"not delivered by {message.to}: {error}")
        finally:
            with self._wake:
                self._busy.discard(message.session)
                if not self._waiting[message.session]:
                    del self._waiting[message.session]
                self._wake.notify()

    @staticmethod
    def _address(message: Message) -> tuple[str, str]:
        return message.to, getattr(message.rule, message.to)

    def _post(self, message: Message) -> None:
        if message.to == "mail":
            assert self.smtp is not None
            send_mail(
                self.smtp,
                self.sender,
                [message.rule.mail],
                f"[{self.venue}] {message.session}: {message.text}",
                message.text,
            )
            return
        # The rule may be older than what the venue allows now.
        require_allowed(message.rule.webhook, self.hosts)
        labels = {
            "alertname": message.rule.kind,
            "session": message.session,
            "venue": self.venue,
        }
        alert = {"status": "firing", "labels": labels, "annotations": {"summary": message.text}}
        document = {"version": "4", "receiver": "openoutcry", "status": "firing", "alerts": [alert]}
        post_json(message.rule.webhook, document)


def post_json(url: str, document: Any) -> None:
    """POST a document.  Raises :class:`NotifyError`, which does not name the URL's path: that is
    often its secret."""
    try:
        OUTWARD.post(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    except OutwardError as error:
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        raise NotifyError(f"{shown}: {error}") from None
