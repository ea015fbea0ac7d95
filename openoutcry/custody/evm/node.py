"""Asks an EVM node over JSON-RPC."""

import http.client
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openoutcry.custody.errors import NodeError
from openoutcry.wire.closing import Closing

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 1 << 28

Call = tuple[str, list[Any]]
NO_METHOD = -32_601
GIVEN_UP = ("timeout", "timed out", "too large", "too big", "limit exceeded", "out of memory")
"""Words of nodes about a call that takes too long, or whose answer is too large."""


@dataclass(frozen=True)
class Bounds:
    """The most that one answer may take: seconds, of each part of it, and bytes."""

    seconds: float
    bytes: int = MAX_ANSWER_BYTES


class TooMuch(NodeError):
    """The node does not answer within the bounds of a call, and says so or is too slow."""


class RpcError(NodeError):
    """The node refused.  Any other NodeError means that the node cannot be reached or its answer
    cannot be read: what was asked may have happened."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})", code)
        self.message = message


class Node(Closing):
    """One node, by its URL (http only: a node is on this host or behind a tunnel).

    ``chain_id``: of the chain that it must serve; None: of any.  Every message asks for it, so no
    answer of another chain is believed: coins of a test network, nonces, logs."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, chain_id: int | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise NodeError("a node's URL is http://HOST:PORT")
        self.url, self.chain_id, self.bounds = url, chain_id, Bounds(timeout_s)
        self._host, self._port, self._path = parts.hostname, parts.port or 80, parts.path or "/"
        self._connection: http.client.HTTPConnection | None = None
        self._next_id = 1

    @property
    def where(self) -> str:
        """The node, for messages; without password, and without a path that may be a key."""
        return f"the node at {self._host}:{self._port}"

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, *parameters: Any) -> Any:
        """The result.  Raises :class:`NodeError` or :class:`RpcError`."""
        return self.batch([(method, list(parameters))])[0]

    def bounded(self, bounds: Bounds, method: str, *parameters: Any) -> Any:
        """Return the result of a call whose answer a stranger can make large.  Raises
        :class:`TooMuch`, and as :meth:`call`."""
        usual, self.bounds = self.bounds, bounds
        try:
            return self.call(method, *parameters)
        except RpcError as error:
            if error.code == NO_METHOD or not any(one in error.message.lower() for one in GIVEN_UP):
                raise
            raise TooMuch(str(error)) from None
        finally:
            self.bounds = usual

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results of several calls in one message, in the calls' order."""
        if not calls:
            return []
        if self.chain_id is not None:
            calls = [("eth_chainId", []), *calls]
        first = self._next_id
        self._next_id += len(calls)
        asked = [
            {"jsonrpc": "2.0", "id": first + place, "method": method, "params": parameters}
            for place, (method, parameters) in enumerate(calls)
        ]
        answers = self._exchange(asked if len(asked) > 1 else asked[0])
        if isinstance(answers, dict):
            answers = [answers]
        if not isinstance(answers, list) or len(answers) != len(calls):
            raise NodeError(f"{self.where}: {len(calls)} calls were not answered one by one")
        by_id = {one.get("id"): one for one in answers if isinstance(one, dict)}
        results = []
        for place, (method, _) in enumerate(calls):
            answer = by_id.get(first + place)
            if answer is None:
                raise NodeError(f"{self.where}: no answer to {method}")
            error = answer.get("error")
            if error is not None:
                raise RpcError(method, int(error.get("code", 0)), str(error.get("message", "")))
            results.append(answer.get("result"))
            if place == 0 and self.chain_id is not None:
                self._check(quantity(results.pop()))
        return results

    def _check(self, served: int) -> None:
        if served != self.chain_id:
            text = f"{self.where} serves the chain with the id {served}, and the file names"
            raise NodeError(f"{text} {self.chain_id}")

    def _exchange(self, message: Any) -> Any:
        body = json.dumps(message).encode()
        # A connection that was kept may have been closed meanwhile; everything that is asked here
        # may be asked twice.
        is_kept = self._connection is not None
        try:
            status, text = self._post(body)
        except TimeoutError:
            self.close()
            within = f"{self.bounds.seconds:g} s"
            raise TooMuch(f"{self.where}: no answer within {within}") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_kept:
                raise NodeError(f"{self.where}: {error or type(error).__name__}") from None
            return self._exchange(message)
        if status != 200:
            self.close()
            raise NodeError(f"{self.where}: HTTP {status}")
        try:
            return json.loads(text)
        except ValueError:
            self.close()
            raise NodeError(f"{self.where}: the answer is not JSON") from None

    def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port)
        self._connection.timeout = self.bounds.seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self.bounds.seconds)
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", self._path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read(self.bounds.bytes + 1)
        if len(text) > self.bounds.bytes:
            self.close()
            raise TooMuch(f"{self.where}: an answer of more than {self.bounds.bytes:,} bytes")
        return answer.status, text


def quantity(answer: Any) -> int:
    """The number that a node answered.  Raises NodeError for anything else: a node that is behind
    has no contract yet, and answers nothing at all for it."""
    try:
        return int(answer, 16)
    except (TypeError, ValueError):
        raise NodeError(f"the node answered {answer!r}, not a number: is it behind?") from None
