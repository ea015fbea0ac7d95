"""Bitcoin Core's JSON-RPC over one connection that is kept."""

import http.client
import json
from base64 import b64encode
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

from openoutcry.custody.errors import NodeError
from openoutcry.custody.settings import ChainSpec
from openoutcry.custody.utxo.address import network_of

TIMEOUT_S = 30.0
UNKNOWN = -5
"""The node's code for a block or transaction that it does not have."""
ALREADY = -27
"""The node's code for a transaction that is in a block already."""


class Rpc:
    """Calls of one node; one thread.  ``url``: ``http://user:password@host:port[/wallet/name]``.

    ``genesis``: the first block of the chain that it must serve; nothing: of any.  Every message
    asks for it, so no answer of another chain is believed: the scripts of a test network are those
    of the main one."""

    def __init__(self, url: str, genesis: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise NodeError("a node's address is http://user:password@host:port")
        self.host, self.port, self.path = parts.hostname, parts.port, parts.path or "/"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        token = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"authorization": f"Basic {token}", "content-type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None
        self.genesis = genesis

    @property
    def where(self) -> str:
        """The node, for messages; without user and password."""
        return f"the node at {self.host}:{self.port}"

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, *params: Any) -> Any:
        """The result.  Raises :class:`NodeError` with the node's code."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The results of several calls at once.  Raises the first one's error."""
        results = []
        for answer in self.answers(calls):
            if answer.get("error"):
                error = answer["error"]
                raise NodeError(f"{self.where}: {error.get('message')}", error.get("code", 0))
            results.append(answer.get("result"))
        return results

    def answers(self, calls: list[tuple[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
        """Results and errors, as the node gives them."""
        if not self.genesis:
            return self._answers(calls)
        first, *answers = self._answers([("getblockhash", (0,)), *calls])
        if error := first.get("error"):
            raise NodeError(f"{self.where}: {error.get('message')}", error.get("code", 0))
        if first.get("result") != self.genesis:
            raise NodeError(
                f"{self.where} serves another chain than the file names: its first block is "
                f"{first.get('result')}, not {self.genesis}"
            )
        return answers

    def _answers(self, calls: list[tuple[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
        body = [
            {"jsonrpc": "1.0", "id": place, "method": method, "params": list(params)}
            for place, (method, params) in enumerate(calls)
        ]
        found = self._exchange(json.dumps(body if len(body) != 1 else body[0], default=str))
        rows = found if isinstance(found, list) else [found]
        if len(rows) != len(calls) or not all(isinstance(row, dict) for row in rows):
            raise NodeError(f"{self.where}: the number of answers differs from the number of calls")
        return sorted(rows, key=lambda row: row.get("id") or 0)

    def _exchange(self, body: str) -> Any:
        for is_last in (False, True):
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(
                        self.host, self.port, timeout=TIMEOUT_S
                    )
                self._connection.request("POST", self.path, body.encode(), self._headers)
                response = self._connection.getresponse()
                data = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # A node closes a connection that was idle; each call here may be made twice.
                if is_last:
                    raise NodeError(f"{self.where}: no answer ({error})") from None
        if response.status == http.client.UNAUTHORIZED:
            raise NodeError(f"{self.where}: wrong user or password")
        try:
            return json.loads(data, parse_float=Decimal)
        except ValueError:
            raise NodeError(f"{self.where}: status {response.status}, not JSON") from None


def nodes_of(spec: ChainSpec) -> tuple[Rpc, Rpc | None]:
    """Return a chain's node and, if the file names one, its referee."""
    genesis = network_of(spec.network).genesis
    return Rpc(spec.url, genesis), Rpc(spec.referee, genesis) if spec.referee else None
