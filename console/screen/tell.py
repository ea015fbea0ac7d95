"""Tells by mail and webhook what rules have found, from a thread of its own: who cannot be reached
is tried again, and nobody waits for him."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from openoutcry.console.screen.rules import Rule
from openoutcry.operations.notify import MailServer, NotifyError, post_json, send_mail

TRIES, AGAIN_S = 5, 20.0
WAITING_MOST = 1_000
EACH_MINUTE = 30
"""Messages of one session beyond these are told on the page alone."""


@dataclass
class Message:
    session: str
    rule: Rule
    text: str
    to: str
    """mail or webhook."""
    tries: int = 0
    due_s: float = 0.0


class Teller:
    """Sends; ``failed`` is told the session and words of what could not be."""

    def __init__(
        self,
        venue: str,
        smtp: MailServer | None,
        sender: str,
        failed: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.venue, self.smtp, self.sender = venue, smtp, sender
        self.failed, self.clock = failed, clock
        self._waiting: deque[Message] = deque()
        self._sent: dict[str, deque[float]] = {}
        self._wake, self._over = Condition(), False
        self._thread = Thread(target=self._run, daemon=True, name="screen-teller")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._over = True
            self._wake.notify()
        self._thread.join(5)

    def tell(self, session: str, rule: Rule, text: str) -> None:
        """By whatever the rule names beside the page."""
        for to in ("mail", "webhook"):
            if getattr(rule, to) and self._may(session):
                with self._wake:
                    self._waiting.append(Message(session, rule, text, to))
                    self._wake.notify()

    def _may(self, session: str) -> bool:
        now_s = self.clock()
        sent = self._sent.setdefault(session, deque(maxlen=EACH_MINUTE))
        over = len(sent) == EACH_MINUTE and now_s - sent[0] < 60
        if over or len(self._waiting) >= WAITING_MOST:
            self.failed(session, "too many messages in a minute: this one stands here alone")
            return False
        sent.append(now_s)
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._over and (message := self._next()) is None:
                    self._wake.wait(1.0)
                if self._over:
                    return
                assert message is not None
                self._waiting.remove(message)
            self._send(message)

    def _next(self) -> Message | None:
        now_s = self.clock()
        return next((one for one in self._waiting if one.due_s <= now_s), None)

    def _send(self, message: Message) -> None:
        try:
            if message.to == "mail":
                assert self.smtp is not None
                send_mail(self.smtp, self.sender, [message.rule.mail],
                          f"[{self.venue}] {message.session}: {message.text}",
                          message.text)  # fmt: skip
            else:
                labels = {
                    "alertname": message.rule.kind,
                    "session": message.session,
                    "venue": self.venue,
                }
                alert = {"status": "firing", "labels": labels,
                         "annotations": {"summary": message.text}}  # fmt: skip
                document = {"version": "4", "receiver": "openoutcry", "status": "firing",
                            "alerts": [alert]}  # fmt: skip
                post_json(message.rule.webhook, document)
        except NotifyError as error:
            message.tries += 1
            message.due_s = self.clock() + AGAIN_S
            if message.tries < TRIES:
                with self._wake:
                    self._waiting.append(message)
            if message.tries in (1, TRIES):
                self.failed(message.session, f"not told by {message.to}: {error}")
