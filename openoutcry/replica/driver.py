"""Drives one machine of the protocol over a real stream, one turn at a time.

The machines ask (``actions.py``) and receive the answers.  Here are the connection, the clock
(CLOCK_BOOTTIME: it continues while the machine sleeps) and which machine an answer belongs to.
Nothing is decided here.  A late or lost answer, or an error that may pass, counts as no answer, and
the machine asks again.
"""

import base64
import contextlib
import json
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, get_type_hints

from openoutcry.replica.access import Access
from openoutcry.replica.actions import Action, Fetch, Lease, Publish, ReadLease, WriteLease
from openoutcry.replica.jetstream import (
    NO_ANSWER,
    NOT_FOUND,
    JetStream,
    Refused,
    Subscription,
    answered,
    number_of,
)
from openoutcry.replica.link import Link, Message
from openoutcry.replica.message import Message as Block
from openoutcry.replica.message import pack, unpack
from openoutcry.wire.errors import ReplicaError, Unreachable

LEASE_KEY = "lease"
WRONG_NUMBER = re.compile(r"wrong last sequence: ([0-9]{1,18})\b")
TICK_S = 0.004
SWITCH_S = 2.0
"""A server that has not answered anything for this long is left for the next one."""
AGAIN_S = 0.25
"""Seconds between attempts to connect."""
MAX_ASKED = 4096
NO_STREAM = 10059


def now_ns() -> int:
    """CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Machine(Protocol):
    """Interface that Primary and Standby have in common."""

    def acknowledged(self, now_ns: int, message: Block) -> list[Action]:
        """The stream has stored the machine's message."""

    def refused(self, now_ns: int, message: Block, last: int) -> list[Action]:
        """The stream has refused the message, for its last one is ``last``."""

    def fetched(self, now_ns: int, position: int, message: Block | None) -> list[Action]:
        """Return what the stream has at ``position``; None: nothing."""

    def lease_written(self, now_ns: int, lease: Lease, revision: int) -> list[Action]:
        """A lease was stored, with this revision."""

    def lease_refused(self, now_ns: int) -> list[Action]:
        """A lease was not stored: another node's came first."""

    def lease_seen(self, now_ns: int, lease: Lease | None, revision: int) -> list[Action]:
        """The lease as it is now; None: there has never been one."""

    def tick(self, now_ns: int) -> list[Action]:
        """Time has passed."""


class _Request(NamedTuple):
    action: Action
    sent_s: float


class Driver:
    """One machine over one connection at a time."""

    def __init__(self, access: Access, venue: str, machine: Any) -> None:
        self.access = access
        self.venue = venue
        self.machine = machine
        self.damage = ""
        """Fault of the last message that was not whole."""
        self.trouble = ""
        """Why there is no connection now; empty if there is one."""
        self.bytes_sent = 0
        self.subscription: Subscription | None = None
        self._jetstream: JetStream | None = None
        self._requests: dict[str, _Request] = {}
        self._server = -1
        self._next_try_s = 0.0
        self._next_tick_s = 0.0
        self._answered_s = time.monotonic()
        self._following = False

    @property
    def link(self) -> Link | None:
        """The connection; None while the cluster cannot be reached."""
        return self._jetstream.link if self._jetstream else None

    @property
    def behind(self) -> int:
        """Return how many messages the stream has, by the subscription, that the machine has not
        received yet."""
        subscription = self.subscription
        return (
            max(0, subscription.last - self.machine.tip.position) if subscription is not None else 0
        )

    def subscribe(self) -> None:
        """Give the machine each message after its tip as it comes (a standby)."""
        self._following = True
        if self._jetstream is not None:
            self.subscription = Subscription(self._jetstream, self.machine.tip.position + 1)

    def unsubscribe(self) -> None:
        """End :meth:`subscribe`; messages are fetched one by one from here on."""
        self._following = False
        if self.subscription is not None:
            with contextlib.suppress(Unreachable):
                self.subscription.close()
            self.subscription = None

    def act(self, actions: Iterable[Action]) -> list[Action]:
        """Perform what concerns the stream; returns the rest, in order."""
        rest: list[Action] = []
        for action in actions:
            if isinstance(action, Publish | Fetch | WriteLease | ReadLease):
                try:
                    self._send(action)
                except Unreachable as error:
                    self._lose(str(error))
            else:
                rest.append(action)
        return rest

    def turn(self, timeout_s: float = 0.0) -> list[Action]:
        """Wait up to ``timeout_s`` for input, pass it to the machine, let it tick; returns
        what it asks that does not concern the stream.

        Raises :class:`ReplicaError` for what no waiting mends: credentials that are refused, a
        stream that is not there.
        """
        rest: list[Action] = []
        if self._connected():
            try:
                rest += self._take(timeout_s)
            except Unreachable as error:
                self._lose(str(error))
        elif timeout_s:
            time.sleep(min(timeout_s, AGAIN_S))
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            rest += self.act(self.machine.tick(now_ns()))
            self._tick(now_s)
        return rest

    def close(self) -> None:
        """End the subscription and the connection."""
        if self._jetstream is not None:
            self.unsubscribe()
            self._jetstream.link.close()
            self._jetstream = None

    # The connection

    def _connected(self) -> bool:
        if self._jetstream is not None:
            return True
        now_s = time.monotonic()
        if now_s < self._next_try_s:
            return False
        self._next_try_s = now_s + AGAIN_S
        self._server = (self._server + 1) % len(self.access.servers)
        try:
            # One at a time: the machine must tick, and its driver is watched for stalls.
            link = Link(self.access, self.access.servers[self._server])
        except Unreachable as error:
            self.trouble = str(error)
            return False
        self._jetstream = JetStream(link, self.venue)
        self.trouble, self._answered_s = "", time.monotonic()
        if self._following:
            self.subscribe()
        return True

    def _lose(self, why: str) -> None:
        """Give the connection up; what was asked over it is asked again by the machine."""
        self.trouble = why
        self._requests.clear()
        self.subscription = None
        if self._jetstream is not None:
            self._jetstream.link.close()
            self._jetstream = None

    def _tick(self, now_s: float) -> None:
        if self._jetstream is None:
            return
        try:
            if self.subscription is not None:
                self.subscription.tick()
        except Unreachable as error:
            self._lose(str(error))
            return
        if self._requests:
            waiting_s = now_s - max(self._answered_s, next(iter(self._requests.values())).sent_s)
            if waiting_s > SWITCH_S:
                link = self._jetstream.link
                self._lose(f"{link.server.text}: no answer for {waiting_s:.1f} s")

    # Asking

    def _send(self, action: Publish | Fetch | WriteLease | ReadLease) -> None:
        jetstream = self._jetstream
        if jetstream is None:
            return
        if isinstance(action, Publish):
            data = pack(action.message)
            self.bytes_sent += len(data)
            reply = jetstream.publish(action.message.position, data)
        elif isinstance(action, WriteLease):
            value = json.dumps(action.lease._asdict()).encode()
            reply = jetstream.put_later(LEASE_KEY, value, action.revision)
        elif isinstance(action, Fetch):
            reply = jetstream.ask_message(action.position)
        else:
            reply = jetstream.ask_key(LEASE_KEY)
        self._requests[reply] = _Request(action, time.monotonic())
        while len(self._requests) > MAX_ASKED:
            del self._requests[next(iter(self._requests))]

    # Answers

    def _take(self, timeout_s: float) -> list[Action]:
        jetstream = self._jetstream
        assert jetstream is not None
        rest: list[Action] = []
        jetstream.link.wait(timeout_s)
        while (message := jetstream.link.take()) is not None:
            request = self._requests.pop(message.subject, None)
            if request is not None:
                rest += self.act(self._answered(request.action, message))
            elif self.subscription is not None:
                entry = self.subscription.take(message)
                if entry is not None:
                    # A server that gives blocks is not silent, even if the bucket has no leader.
                    self._answered_s = time.monotonic()
                    rest += self.act(self._delivered(*entry))
            if self._jetstream is not jetstream:
                break
        return rest

    def _delivered(self, position: int, data: bytes) -> list[Action]:
        """By the subscription."""
        block = self._whole(data, position)
        if block is None:
            return list(self.machine.missing(now_ns(), position, self.damage))
        return list(self.machine.message(now_ns(), block))

    def _answered(self, action: Action, message: Message) -> list[Action]:
        if message.status:
            return []  # no listener: no leader now
        self._answered_s = time.monotonic()
        try:
            answer = answered(message.data)
            return self._done(action, answer)
        except Refused as error:
            return self._refused(action, error)
        except Unreachable:
            return []  # no answer of JetStream: the machine asks again

    def _done(self, action: Action, answer: dict[str, Any]) -> list[Action]:
        """Raises :class:`Unreachable` for an answer to another question."""
        machine: Machine = self.machine
        if isinstance(action, Publish):
            seq = number_of(answer, "seq")
            if seq != action.message.position:
                raise ReplicaError(
                    f"{self.venue}: the stream took message {action.message.position} as {seq}"
                )
            return machine.acknowledged(now_ns(), action.message)
        if isinstance(action, WriteLease):
            return machine.lease_written(now_ns(), action.lease, number_of(answer, "seq"))
        stored = answer.get("message")
        if type(stored) is not dict:
            raise Unreachable(NO_ANSWER)
        data = _data_of(stored)
        if isinstance(action, Fetch):
            return machine.fetched(now_ns(), action.position, self._whole(data, action.position))
        return machine.lease_seen(now_ns(), lease_of(data), number_of(stored, "seq"))

    def _refused(self, action: Action, error: Refused) -> list[Action]:
        machine: Machine = self.machine
        wrong = WRONG_NUMBER.search(str(error))
        if isinstance(action, Publish) and wrong:
            return machine.refused(now_ns(), action.message, int(wrong[1]))
        if isinstance(action, WriteLease) and wrong:
            return machine.lease_refused(now_ns())
        if error.code in NOT_FOUND:
            if error.code == NO_STREAM:
                raise ReplicaError(f"{self.venue}: its stream is gone: {error}")
            if isinstance(action, Fetch):
                return machine.fetched(now_ns(), action.position, None)
            if isinstance(action, ReadLease):
                return machine.lease_seen(now_ns(), None, 0)
        return []

    def _whole(self, data: bytes, position: int) -> Block | None:
        try:
            return unpack(data, position)
        except ReplicaError as error:
            self.damage = str(error)
            return None


def _data_of(stored: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(stored.get("data", ""))
    except (ValueError, TypeError):
        raise Unreachable(NO_ANSWER) from None


LEASE_TYPES = tuple(get_type_hints(Lease).values())


def lease_of(value: bytes) -> Lease:
    """The lease that the bucket's entry is.  Raises :class:`ReplicaError`."""
    try:
        document = json.loads(value)
        lease = Lease(**{name: document[name] for name in Lease._fields})
        if any(type(one) is not kind for one, kind in zip(lease, LEASE_TYPES, strict=True)):
            raise TypeError
        numbers = lease.epoch, lease.nonce, lease.position
        if not all(0 <= number < 10**18 for number in numbers) or not lease.holder.isprintable():
            raise ValueError
        return lease
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ReplicaError("the lease in the bucket was not written by this program") from None
