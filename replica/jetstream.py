"""The stream of a venue's blocks and the record of its lease, in JetStream.

One stream a venue, ``OUTCRY-NAME``, with the one subject ``outcry.NAME.blocks``: its messages are
numbered from 1, and every publication names the number that it must follow
(``Nats-Expected-Last-Sequence``), so that of two writers one is refused.  Beside it a key-value
bucket of the same name, whose entries are replaced only by who knows their revision.
"""

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from openoutcry.replica.errors import ReplicaError, Unreachable
from openoutcry.replica.link import Link, Message

EXPECTED_LAST = "Nats-Expected-Last-Sequence"
EXPECTED_STREAM = "Nats-Expected-Stream"
EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"
WRONG_LAST_SEQUENCE = (10071, 10164)
"""JetStream's codes for a publication that does not follow the number it names."""
IN_PROCESS = 10158
"""An earlier publication with the same expectation has not been decided yet."""
NOT_FOUND = (10059, 10037, 10014)
EXISTS = (10058,)
NO_QUORUM = (10008, 10023, 10005, 10074)
REPLICAS = 3
MAX_MESSAGE_BYTES = 1_000_000
"""Below the 1 MiB that a server takes as it is installed."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
HEARTBEAT_S = 1.0
WAIT_S = 20.0


class Refused(ReplicaError):
    """JetStream answered with an error; ``code`` is its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Tail:
    """How far a stream is: ``last`` is the number of its last message, 0 if it has none."""

    first: int
    last: int
    bytes: int
    leader: str
    peers: tuple[dict[str, Any], ...]
    """Of each follower: ``name``, ``current``, ``offline``, ``lag`` and ``active`` (ns ago)."""


@dataclass(frozen=True)
class Entry:
    """What a key holds, and by which revision it may be replaced."""

    value: bytes
    revision: int


def stream_name(venue: str) -> str:
    """The stream of a venue's blocks.  Raises :class:`ReplicaError` for a name it cannot carry."""
    if not NAME.fullmatch(venue):
        raise ReplicaError(
            f"{venue!r}: a replicated venue's name has 1 to 32 letters, digits, - and _"
        )
    return f"OUTCRY-{venue}"


class JetStream:
    """A venue's stream and bucket over one connection.  Every call may raise
    :class:`~openoutcry.replica.errors.Unreachable`, and :class:`Refused`."""

    def __init__(self, link: Link, venue: str) -> None:
        self.link = link
        self.venue = venue
        self.stream = stream_name(venue)
        self.subject = f"outcry.{venue}.blocks"

    def call(self, subject: str, document: Any = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """One request of JetStream's interface and its answer; raises :class:`Refused`."""
        payload = b"" if document is None else json.dumps(document).encode()
        answer = json.loads(self.link.request(f"$JS.API.{subject}", payload, timeout_s).data)
        return dict(checked(answer))

    # The stream

    def open(self, replicas: int = REPLICAS) -> Tail:
        """Make stream and bucket where there are none yet, and see that the stream is ours.

        Raises :class:`ReplicaError` for a stream of another make: too few copies, in memory, with
        limits by which it would forget.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self._make(self._stream_config(replicas))
                self._make(self._bucket_config(replicas))
                return self.tail()
            except (Refused, Unreachable) as error:
                # A cluster that has just begun has no leader yet.
                if isinstance(error, Refused) and error.code not in NO_QUORUM:
                    raise ReplicaError(f"{self.stream}: cannot be made: {error}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _make(self, config: dict[str, Any]) -> None:
        name = config["name"]
        try:
            found = self.call(f"STREAM.INFO.{name}")["config"]
        except Refused as error:
            if error.code not in NOT_FOUND:
                raise
            try:
                found = self.call(f"STREAM.CREATE.{name}", config, WAIT_S)["config"]
            except Refused as again:
                if again.code not in EXISTS:
                    raise
                found = self.call(f"STREAM.INFO.{name}")["config"]
        for key, wanted in config.items():
            if found.get(key, wanted) != wanted:
                raise ReplicaError(
                    f"{name}: a foreign stream: its {key} is {found[key]!r}, not {wanted!r}"
                )

    def _stream_config(self, replicas: int) -> dict[str, Any]:
        return {
            "name": self.stream, "subjects": [self.subject], "retention": "limits",
            "storage": "file", "num_replicas": replicas, "discard": "new", "max_msgs": -1,
            "max_bytes": -1, "max_age": 0, "deny_delete": True, "deny_purge": True,
            "allow_direct": False,
        }  # fmt: skip

    def _bucket_config(self, replicas: int) -> dict[str, Any]:
        return {
            "name": f"KV_{self.stream}", "subjects": [f"$KV.{self.stream}.>"],
            "storage": "file", "num_replicas": replicas, "max_msgs_per_subject": 8,
            "discard": "new", "deny_delete": True, "allow_rollup_hdrs": True,
            "allow_direct": False,
        }  # fmt: skip

    def tail(self) -> Tail:
        """Where the stream is, and who holds it, as its leader says."""
        answer = self.call(f"STREAM.INFO.{self.stream}")
        state, cluster = answer["state"], answer.get("cluster") or {}
        peers = cluster.get("replicas") or ()
        return Tail(
            state["first_seq"], state["last_seq"], state["bytes"], cluster.get("leader", ""),
            tuple(peers),
        )  # fmt: skip

    def message(self, number: int) -> bytes:
        """One message of the stream.  Raises :class:`Refused` if there is none."""
        answer = self.call(f"STREAM.MSG.GET.{self.stream}", {"seq": number})
        return base64.b64decode(answer["message"].get("data", ""))

    def publish(self, number: int, payload: Any) -> str:
        """Send message ``number``, which must follow ``number - 1``; returns the subject that the
        answer will come to (:func:`acknowledged`)."""
        reply = self.link.next_inbox()
        headers = {EXPECTED_LAST: str(number - 1), EXPECTED_STREAM: self.stream}
        self.link.publish(self.subject, payload, headers, reply)
        return reply

    # The bucket

    def get(self, key: str) -> Entry | None:
        """What ``key`` holds, None if nothing."""
        try:
            subject = {"last_by_subj": f"$KV.{self.stream}.{key}"}
            found = self.call(f"STREAM.MSG.GET.KV_{self.stream}", subject)["message"]
        except Refused as error:
            if error.code in NOT_FOUND:
                return None
            raise
        return Entry(base64.b64decode(found.get("data", "")), found["seq"])

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace what is there with ``revision`` (0: nothing is); returns the new revision.

        Raises :class:`Refused` (:data:`WRONG_LAST_SEQUENCE`) if somebody else was before us.
        """
        headers = {EXPECTED_REVISION: str(revision)}
        answer = self.link.request(f"$KV.{self.stream}.{key}", value, headers=headers)
        return int(checked(json.loads(answer.data))["seq"])

    def put_later(self, key: str, value: bytes, revision: int) -> str:
        """As :meth:`put`, without waiting: returns the subject that the answer will come to."""
        reply = self.link.next_inbox()
        headers = {EXPECTED_REVISION: str(revision)}
        self.link.publish(f"$KV.{self.stream}.{key}", value, headers, reply)
        return reply

    # Reading

    def follow(self, first: int) -> "Follower":
        """The messages from number ``first`` on, those to come included."""
        return Follower(self, first)


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """A JetStream answer that is no error; raises :class:`Refused`."""
    if error := answer.get("error"):
        code = int(error.get("err_code", error.get("code", 0)))
        raise Refused(code, str(error.get("description", "refused")))
    return answer


def acknowledged(message: Message) -> int:
    """The number that a published message got.  Raises :class:`Unreachable` if nobody listened (no
    leader now), :class:`Refused`."""
    if message.status:
        raise Unreachable("no leader takes the block now")
    return int(checked(json.loads(message.data))["seq"])


class Follower:
    """Reads a stream in order: a consumer of our own, made again from the next number on whenever
    something is missing, silent, or gone."""

    def __init__(self, jetstream: JetStream, first: int) -> None:
        self.jetstream = jetstream
        self.next = max(1, first)
        self.last = 0
        """The stream's last message, as far as is known."""
        self._sid = 0
        self._consumer = ""
        self._heard_s = 0.0

    def take(self, timeout_s: float) -> tuple[int, bytes] | None:
        """The next message with its number, None if none has come within ``timeout_s``.

        Raises :class:`Unreachable`: then follow again over another connection, from ``next``;
        :class:`ReplicaError` if the stream no longer has the next message (a hole).
        """
        link = self.jetstream.link
        deadline = time.monotonic() + timeout_s
        if not self._sid:
            self._begin()
        while True:
            while (message := link.take()) is not None:
                if message.sid == self._sid:
                    self._heard_s = time.monotonic()
                    if (found := self._taken(message)) is not None:
                        return found
            now_s = time.monotonic()
            if now_s - self._heard_s > 3 * HEARTBEAT_S:
                self._begin()
            if now_s >= deadline:
                return None
            link.wait(min(deadline - now_s, 0.5))

    def _begin(self) -> None:
        link = self.jetstream.link
        self.close()
        subject = f"{link.next_inbox()}.block"
        self._sid = link.subscribe(subject)
        config = {
            "deliver_subject": subject, "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.next, "ack_policy": "none", "replay_policy": "instant",
            "flow_control": True, "idle_heartbeat": int(HEARTBEAT_S * 1e9), "max_deliver": 1,
            "num_replicas": 1, "mem_storage": True, "inactive_threshold": int(30e9),
        }  # fmt: skip
        document = {"stream_name": self.jetstream.stream, "config": config}
        answer = self.jetstream.call(f"CONSUMER.CREATE.{self.jetstream.stream}", document)
        self._consumer = answer["name"]
        self._heard_s = time.monotonic()

    def _taken(self, message: Message) -> tuple[int, bytes] | None:
        link = self.jetstream.link
        if message.status:
            if stalled := message.headers.get("Nats-Consumer-Stalled"):
                link.publish(stalled, b"")
            elif message.reply:
                link.publish(message.reply, b"")
            last = int(message.headers.get("Nats-Last-Stream", 0))
            if last >= self.next:
                self._begin()
            return None
        # $JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.NUMBER.COUNT.TIME.PENDING[.TOKEN]
        words = message.reply.split(".")
        at = 2 if len(words) < 11 else 4
        number, pending = int(words[at + 3]), int(words[at + 6])
        self.last = number + pending
        if number < self.next:
            return None
        if number > self.next:
            self._missing(number)
            return None
        self.next += 1
        return number, message.data

    def _missing(self, number: int) -> None:
        """A message was lost on its way: ask again.  One that the stream itself lacks is a hole."""
        try:
            self.jetstream.message(self.next)
        except Refused as error:
            if error.code in NOT_FOUND:
                raise ReplicaError(
                    f"{self.jetstream.stream}: message {self.next} is missing, {number} is there: "
                    "the server that leads has a hole"
                ) from None
            raise
        self._begin()

    def close(self) -> None:
        """Want no more."""
        if self._sid:
            self.jetstream.link.unsubscribe(self._sid)
            name = f"CONSUMER.DELETE.{self.jetstream.stream}.{self._consumer}"
            self.jetstream.link.publish(f"$JS.API.{name}", b"", reply=self.jetstream.link.next_inbox())
            self._sid = 0
