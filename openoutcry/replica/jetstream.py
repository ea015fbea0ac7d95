"""The stream of a venue's blocks and the record of its lease, in JetStream.

There is one stream a venue, ``OUTCRY-NAME``, with the one subject ``outcry.NAME.blocks``.  Its
messages are numbered from 1, and every publication names the number that it must follow
(``Nats-Expected-Last-Sequence``), so that of two writers one is refused.  There is also a key-value
bucket of the same name.  A writer can replace one of its entries only if it knows the entry's
revision.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from openoutcry.replica.link import Link, Message
from openoutcry.wire.errors import ReplicaError, Unreachable

EXPECTED_LAST = "Nats-Expected-Last-Sequence"
EXPECTED_STREAM = "Nats-Expected-Stream"
EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"
WRONG_LAST_SEQUENCE = (10071, 10164)
"""JetStream's codes for a publication that does not follow the number it names."""
NOT_FOUND = (10059, 10037, 10014)
EXISTS = (10058,)
NO_QUORUM = (10008, 10023, 10005, 10074)
REPLICAS = 3
PREFIX = "OUTCRY-"
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
HEARTBEAT_S = 1.0
WAIT_S = 20.0
APPLY_S, APPLY_LOOK_S = 5.0, 0.1
T = TypeVar("T")


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
    """``name``, ``current``, ``offline``, ``lag`` and ``active`` (ns ago) of each follower."""


@dataclass(frozen=True)
class Entry:
    """Value of a key, and the revision by which it may be replaced."""

    value: bytes
    revision: int


def stream_name(venue: str) -> str:
    """The stream of a venue's blocks.  Raises :class:`ReplicaError` for a name it cannot carry."""
    if not NAME.fullmatch(venue):
        raise ReplicaError(
            f"{venue!r}: a replicated venue's name has 1 to 32 letters, digits, - and _"
        )
    return PREFIX + venue


def retry_until_leader(
    ask: Callable[[], T], timeout_s: float = WAIT_S, over: Link | None = None
) -> T:
    """The answer to a request, which is repeated for ``timeout_s`` while the cluster has no leader
    for it: it has just begun, or is electing one.  Stops when the connection is ``over``.  Raises
    what ``ask`` does."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except (Refused, Unreachable) as error:
            is_answered = isinstance(error, Refused) and error.code not in NO_QUORUM
            is_lost = over is not None and over.lost
            if is_answered or is_lost or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class JetStream:
    """A venue's stream and bucket over one connection.  Every call may raise
    :class:`~openoutcry.wire.errors.Unreachable`, and :class:`Refused`."""

    def __init__(self, link: Link, venue: str) -> None:
        self.link = link
        self.venue = venue
        self.stream = stream_name(venue)
        self.subject = f"outcry.{venue}.blocks"

    def call(self, subject: str, document: Any = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """One request of JetStream's interface and its answer; raises :class:`Refused`."""
        payload = b"" if document is None else json.dumps(document).encode()
        return answered(self.link.request(f"$JS.API.{subject}", payload, timeout_s).data)

    # The stream

    def open(self, replicas: int = REPLICAS) -> Tail:
        """Make stream and bucket where they are missing, and see that the stream is ours.

        Raises :class:`ReplicaError` for a stream of another make: too few copies, in memory, with
        limits by which it would forget.
        """

        def create() -> Tail:
            self._make(self._stream_config(replicas))
            self._make(self._bucket_config(replicas))
            return self.tail()

        try:
            return retry_until_leader(create, over=self.link)
        except Refused as error:
            if error.code in NO_QUORUM:
                raise
            raise ReplicaError(f"{self.stream}: cannot be made: {error}") from None

    def _make(self, config: dict[str, Any]) -> None:
        name = config["name"]
        try:
            actual = self.call(f"STREAM.INFO.{name}")["config"]
        except Refused as error:
            if error.code not in NOT_FOUND:
                raise
            try:
                actual = self.call(f"STREAM.CREATE.{name}", config, WAIT_S)["config"]
            except Refused as again:
                if again.code not in EXISTS:
                    raise
                actual = self.call(f"STREAM.INFO.{name}")["config"]
        for key, wanted in config.items():
            if actual.get(key, wanted) != wanted:
                raise ReplicaError(
                    f"{name}: a foreign stream: its {key} is {actual[key]!r}, not {wanted!r}"
                )

    def _stream_config(self, replicas: int) -> dict[str, Any]:
        return {
            "name": self.stream,
            "subjects": [self.subject],
            "retention": "limits",
            "storage": "file",
            "num_replicas": replicas,
            "discard": "new",
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": 0,
            "deny_delete": True,
            "deny_purge": True,
            "allow_direct": False,
        }

    def _bucket_config(self, replicas: int) -> dict[str, Any]:
        return {
            "name": f"KV_{self.stream}",
            "subjects": [f"$KV.{self.stream}.>"],
            "storage": "file",
            "num_replicas": replicas,
            "max_msgs_per_subject": 8,
            "discard": "new",
            "deny_delete": True,
            "allow_rollup_hdrs": True,
            "allow_direct": False,
        }

    def tail(self, bucket: bool = False) -> Tail:
        """Return where the stream is (or the bucket's), and who holds it, as its leader says."""
        answer = self.call(f"STREAM.INFO.{'KV_' if bucket else ''}{self.stream}")
        state, cluster = answer["state"], answer.get("cluster") or {}
        peers = cluster.get("replicas") or ()
        return Tail(
            state["first_seq"],
            state["last_seq"],
            state["bytes"],
            cluster.get("leader", ""),
            tuple(peers),
        )

    def tail_reaching(self, position: int) -> Tail:
        """:meth:`tail`, asked again for :data:`APPLY_S` while it ends before a message that was
        acknowledged: a leader that was just elected answers before it has applied what it holds."""
        until_s = time.monotonic() + APPLY_S
        while (tail := self.tail()).last < position and time.monotonic() < until_s:
            time.sleep(APPLY_LOOK_S)
        return tail

    def skew_s(self) -> float:
        """Return how far the clock of the stream's leader is ahead of ours."""
        answer = self.call(f"STREAM.INFO.{self.stream}")
        leader_time = datetime.fromisoformat(answer["ts"])
        return (leader_time - datetime.now(UTC)).total_seconds()

    def message(self, number: int) -> bytes:
        """One message of the stream.  Raises :class:`Refused` for a missing one."""
        answer = self.call(f"STREAM.MSG.GET.{self.stream}", {"seq": number})
        return base64.b64decode(answer["message"].get("data", ""))

    def publish(self, number: int, payload: Any) -> str:
        """Send message ``number``, which must follow ``number - 1``; returns the subject that the
        answer will come to (:func:`acknowledged`)."""
        reply = self.link.next_inbox()
        headers = {EXPECTED_LAST: str(number - 1), EXPECTED_STREAM: self.stream}
        self.link.publish(self.subject, payload, headers, reply)
        return reply

    def ask_message(self, number: int) -> str:
        """Like :meth:`message`, without waiting: returns the subject that the answer will
        come to."""
        reply = self.link.next_inbox()
        question = json.dumps({"seq": number}).encode()
        self.link.publish(f"$JS.API.STREAM.MSG.GET.{self.stream}", question, reply=reply)
        return reply

    # The bucket

    def get(self, key: str) -> Entry | None:
        """Return the value of ``key``, None without one."""
        try:
            subject = {"last_by_subj": f"$KV.{self.stream}.{key}"}
            stored = self.call(f"STREAM.MSG.GET.KV_{self.stream}", subject)["message"]
        except Refused as error:
            if error.code in NOT_FOUND:
                return None
            raise
        return Entry(base64.b64decode(stored.get("data", "")), stored["seq"])

    def ask_key(self, key: str) -> str:
        """Like :meth:`get`, without waiting."""
        reply = self.link.next_inbox()
        question = json.dumps({"last_by_subj": f"$KV.{self.stream}.{key}"}).encode()
        self.link.publish(f"$JS.API.STREAM.MSG.GET.KV_{self.stream}", question, reply=reply)
        return reply

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace what is there with ``revision`` (0: nothing is); returns the new revision.

        Raises :class:`Refused` (:data:`WRONG_LAST_SEQUENCE`) if another publisher was faster.
        """
        headers = {EXPECTED_REVISION: str(revision)}
        answer = self.link.request(f"$KV.{self.stream}.{key}", value, headers=headers)
        return number_of(answered(answer.data), "seq")

    def put_later(self, key: str, value: bytes, revision: int) -> str:
        """Like :meth:`put`, without waiting: returns the subject that the answer will come to."""
        reply = self.link.next_inbox()
        headers = {EXPECTED_REVISION: str(revision)}
        self.link.publish(f"$KV.{self.stream}.{key}", value, headers, reply)
        return reply


def venues(link: Link) -> list[str]:
    """The venues whose blocks the cluster has."""
    names: list[str] = []
    while True:
        question = json.dumps({"offset": len(names)}).encode()
        answer = answered(link.request("$JS.API.STREAM.NAMES", question).data)
        streams = answer.get("streams") or []
        if type(streams) is not list or not all(type(stream) is str for stream in streams):
            raise Unreachable(NO_ANSWER)
        names += streams
        if not streams or len(names) >= number_of(answer, "total"):
            return sorted(n.removeprefix(PREFIX) for n in names if n.startswith(PREFIX))


NO_ANSWER = "the answer is not from JetStream"
NUMBER = re.compile("[0-9]{1,18}")
"""The number of a message; no message of ours has a longer one."""


def answered(data: bytes) -> dict[str, Any]:
    """A JetStream answer that is not an error.  Raises :class:`Refused`, and :class:`Unreachable`
    for what is no answer: any client of the cluster can write to any subject."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if type(answer) is not dict:
        raise Unreachable(NO_ANSWER)
    if error := answer.get("error"):
        code = error.get("err_code", error.get("code", 0)) if type(error) is dict else None
        if type(code) is not int:
            raise Unreachable(NO_ANSWER)
        raise Refused(code, str(error.get("description", "refused")))
    return answer


def number_of(answer: dict[str, Any], name: str) -> int:
    """A number of an answer.  Raises :class:`Unreachable`."""
    value = answer.get(name)
    if type(value) is not int or not 0 <= value < 10**18:
        raise Unreachable(NO_ANSWER)
    return value


def acknowledged(message: Message) -> int:
    """The number that a published message got.  Raises :class:`Unreachable` without a listener (no
    leader now), :class:`Refused`."""
    if message.status:
        raise Unreachable("no leader takes the block now")
    return number_of(answered(message.data), "seq")


class Subscription:
    """The stream's messages from a number on, as they come: a consumer of our own, made again from
    the next number whenever something is missing, or it is silent.  The caller reads the link and
    hands in what comes."""

    def __init__(self, jetstream: JetStream, first: int) -> None:
        self.jetstream = jetstream
        self.next = max(1, first)
        self.last = 0
        """The stream's last message, as far as is known."""
        self._consumer = ""
        self._sid = 0
        self._create_inbox = ""
        self._heard_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Ask for everything from ``next`` on."""
        link, stream = self.jetstream.link, self.jetstream.stream
        self.close()
        subject = f"{link.next_inbox()}.block"
        self._sid = link.subscribe(subject)
        self._consumer = secrets.token_hex(8)
        config = {
            "name": self._consumer,
            "deliver_subject": subject,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.next,
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
            "num_replicas": 1,
            "mem_storage": True,
            "inactive_threshold": int(30e9),
        }
        document = json.dumps({"stream_name": stream, "config": config}).encode()
        self._create_inbox = link.next_inbox()
        name = f"$JS.API.CONSUMER.CREATE.{stream}.{self._consumer}"
        link.publish(name, document, reply=self._create_inbox)
        self._heard_s = time.monotonic()

    def take(self, message: Message) -> tuple[int, bytes] | None:
        """The message's number and bytes, if it is one of the stream.

        Raises :class:`Refused` if the consumer could not be made; while the cluster has no leader
        to make it, :meth:`tick` asks again.
        """
        if message.subject == self._create_inbox:
            try:
                if not message.status:
                    answered(message.data)
            except Refused as error:
                if error.code not in NO_QUORUM:
                    raise
            except Unreachable:
                pass  # no answer: a consumer that stays silent is asked for again
            return None
        if message.sid != self._sid:
            return None
        self._heard_s = time.monotonic()
        if message.status:
            self._answer(message)
            return None
        # $JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.NUMBER.COUNT.TIME.PENDING[.TOKEN]
        words = message.reply.split(".")
        at = 2 if len(words) < 11 else 4
        places = words[at + 3 : at + 7]
        if len(places) < 4 or not (NUMBER.fullmatch(places[0]) and NUMBER.fullmatch(places[3])):
            return None  # written to our inbox by another client than the stream
        number, pending = int(places[0]), int(places[3])
        self.last = max(self.last, number + pending)
        if number < self.next:
            return None
        self.next = number + 1
        return number, message.data

    def _answer(self, message: Message) -> None:
        """A heartbeat, or a question of flow control."""
        link = self.jetstream.link
        if stalled := message.headers.get("Nats-Consumer-Stalled"):
            link.publish(stalled, b"")
        elif message.reply:
            link.publish(message.reply, b"")
        last = message.headers.get("Nats-Last-Stream", "0")
        if NUMBER.fullmatch(last) and int(last) >= self.next:
            self.begin()

    def tick(self) -> None:
        """Time has passed: a consumer that is silent is made again."""
        if time.monotonic() - self._heard_s > 3 * HEARTBEAT_S:
            self.begin()

    def close(self) -> None:
        """Want no more."""
        if self._sid:
            link = self.jetstream.link
            link.unsubscribe(self._sid)
            name = f"$JS.API.CONSUMER.DELETE.{self.jetstream.stream}.{self._consumer}"
            link.publish(name, b"", reply=link.next_inbox())
            self._sid = 0


def messages(jetstream: JetStream, first: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Messages ``first`` to ``until`` with their numbers, in order.

    Raises :class:`ReplicaError` for one that the stream does not have, and
    :class:`~openoutcry.wire.errors.Unreachable` if nothing comes.
    """
    subscription = Subscription(jetstream, first)
    link, number = jetstream.link, first
    heard_s = time.monotonic()
    try:
        while number <= until:
            while (message := link.take()) is not None:
                if (entry := subscription.take(message)) is None:
                    continue
                heard_s = time.monotonic()
                if entry[0] != number:
                    raise ReplicaError(
                        f"{jetstream.stream}: message {number} is missing, {entry[0]} is there: "
                        "the leading server's store has a gap"
                    )
                number += 1
                yield entry
                if number > until:
                    return
            subscription.tick()
            if time.monotonic() - heard_s > WAIT_S:
                raise Unreachable(f"{jetstream.stream}: message {number} does not arrive")
            link.wait(0.2)
    finally:
        subscription.close()
