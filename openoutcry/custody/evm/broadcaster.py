"""Brings transactions of one gas account to the chain, each exactly once.

A transaction is signed and written down before it is sent.  After a kill the broadcaster looks for
the same bytes on the chain, and sends them again if they are not there.  The chain takes them once,
because they have a nonce.  No nonce is left out: one is taken only for a transaction whose fee is
permitted now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError
from openoutcry.custody.evm.encoding import to_hex
from openoutcry.custody.evm.node import Node, RpcError, quantity
from openoutcry.custody.evm.transactions import (
    DigestSigner,
    FeeError,
    FeePolicy,
    SignedTransaction,
    Transaction,
)
from openoutcry.wire.closing import Closing
from openoutcry.wire.sqlite_file import Schema, SqliteFile

TABLES = """
create table if not exists evm_sends (
    id integer primary key, reference text not null unique,
    target blob not null, value text not null, data blob not null, gas integer not null,
    nonce integer unique, state text not null default 'waiting', why text not null default '',
    block integer, txid blob
);
create index if not exists evm_sends_state on evm_sends (state);
create table if not exists evm_attempts (
    nonce integer not null, attempt integer not null, tip integer not null, fee integer not null,
    raw blob not null, txid blob not null unique, sent_at integer not null,
    primary key (nonce, attempt)
) without rowid;
"""
SCHEMA = Schema("what a gas account sent", 0x4F4F4741, TABLES)
WAITING, OPEN, MINED, DONE, REVERTED = "waiting", "open", "mined", "done", "reverted"
IN_FLIGHT = 16
"""Transactions that may be unmined at a time."""
KNOWN = ("already known", "already imported", "alreadyknown", "already exists")
GAS_SPARE_PERCENT = 120


class SendError(CustodyError):
    """A reference that is used for two different transactions."""


@dataclass(frozen=True)
class Send:
    """A transaction, as far as it has come.  ``gas``: while it waits, the spare one alone;
    ``txid``: of the attempt that is in ``block``."""

    id: int
    reference: str
    target: bytes
    value: int
    data: bytes
    gas: int
    nonce: int | None
    state: str
    why: str
    block: int | None
    txid: bytes | None


@dataclass(frozen=True)
class Attempt:
    """A signed transaction for a nonce; tip and fee in wei a unit of gas, ``sent_at``: the block's
    height."""

    nonce: int
    attempt: int
    tip: int
    fee: int
    raw: bytes
    txid: bytes
    sent_at: int


@dataclass(frozen=True)
class BroadcastSettings:
    """``stuck``: blocks after which an unmined transaction is replaced by a dearer one; ``final``:
    blocks on top of one after which it is never undone."""

    chain_id: int
    stuck: int = 10
    final: int = 64


class Broadcaster(Closing):
    """The only user of its key."""

    def __init__(
        self,
        path: Path,
        node: Node,
        key: DigestSigner,
        fees: FeePolicy,
        settings: BroadcastSettings,
        referee: Node | None = None,
    ) -> None:
        """``referee``: a second node; of both the smaller number of transactions is believed."""
        self.referee = referee
        self.sent, self.node, self.key = SqliteFile(path, SCHEMA), node, key
        self.fees, self.settings = fees, settings
        self.alarms: list[str] = []
        """Alarms for a person, since the last step."""

    def close(self) -> None:
        """Close the database."""
        self.sent.close()

    # What is asked

    def submit(
        self, reference: str, target: bytes, data: bytes = b"", value: int = 0, spare_gas: int = 0
    ) -> Send:
        """Send it once, however often it is asked for; ``spare_gas``: on top of what the node
        estimates.  Raises :class:`SendError` if the reference belongs to another transaction."""
        query = "insert into evm_sends (reference, target, value, data, gas)"
        query += " values (?, ?, ?, ?, ?) on conflict do nothing"
        self.sent.run(query, reference, target, str(value), data, spare_gas)
        known = self.find(reference)
        assert known is not None
        if (known.target, known.data, known.value) != (target, data, value):
            raise SendError(f"reference {reference} belongs to another transaction")
        return known

    def find(self, reference: str) -> Send | None:
        """Return what was submitted under this reference; None: nothing."""
        found = self._sends("reference = ?", reference)
        return found[0] if found else None

    def count(self, begun: str) -> int:
        """References that begin so."""
        query = "select count(*) from evm_sends where substr(reference, 1, ?) = ?"
        return int(self.sent.value(query, len(begun), begun))

    def open(self) -> list[Send]:
        """Return the sends that are not final, by nonce; then those that wait."""
        return self._sends(
            "state in ('open', 'mined', 'waiting') order by nonce is null, nonce, id"
        )

    def attempts(self, nonce: int) -> list[Attempt]:
        """Every transaction that was signed for a nonce, in that order."""
        query = "select nonce, attempt, tip, fee, raw, txid, sent_at from evm_attempts"
        rows = self.sent.rows(f"{query} where nonce = ? order by attempt", nonce)
        return [Attempt(*row) for row in rows]

    # Work

    def step(self, sends: bool = True) -> list[Send]:
        """Look, send again, replace, and send what waits; without ``sends`` only look.  Returns
        those whose state has changed.  Raises NodeError; what was done before stays."""
        self.alarms = []
        latest = self.node.call("eth_getBlockByNumber", "latest", False)
        head, base_fee = quantity(latest["number"]), quantity(latest["baseFeePerGas"])
        before = {send.id: (send.state, send.txid) for send in self.open()}
        used = self._nonce_on_chain()
        for send in self.open():
            if send.nonce is not None:
                self._look(send, head, used)
        unmined = [send for send in self.open() if send.state == OPEN]
        for place, send in enumerate(unmined if sends else ()):
            self._deliver(send, head, base_fee, oldest=place == 0)
        for send in self._sends("state = 'waiting' order by id") if sends else ():
            if len(unmined) >= IN_FLIGHT:
                break
            if self._begin(send, head, base_fee, used):
                unmined.append(send)
        after = [one for one in self._sends_of(before) if before[one.id] != (one.state, one.txid)]
        return after

    def _nonce_on_chain(self) -> int:
        asked = "eth_getTransactionCount", to_hex(self.key.address), "latest"
        nodes = [self.node] if self.referee is None else [self.node, self.referee]
        return min(quantity(node.call(*asked)) for node in nodes)

    def _look(self, send: Send, head: int, used: int) -> None:
        """Find the attempt that is in a block."""
        assert send.nonce is not None
        attempts = self.attempts(send.nonce)
        receipts = self.node.batch(
            [("eth_getTransactionReceipt", [to_hex(one.txid)]) for one in attempts]
        )
        for attempt, receipt in zip(attempts, receipts, strict=True):
            if receipt is None:
                continue
            block = quantity(receipt["blockNumber"])
            state = MINED
            if head - block >= self.settings.final:
                state = DONE if quantity(receipt["status"]) == 1 else REVERTED
            self._set(send, state, block=block, txid=attempt.txid)
            return
        if send.state == MINED:
            self._set(send, OPEN)
        if used > send.nonce:
            self.alarms.append(
                f"nonce {send.nonce} of the gas account is used by a transaction that is not ours: "
                f"its key may be in other hands"
            )

    def _deliver(self, send: Send, head: int, base_fee: int, oldest: bool) -> None:
        """Send what the node does not have; replace what has waited too long."""
        assert send.nonce is not None
        last = self.attempts(send.nonce)[-1]
        if self.node.call("eth_getTransactionByHash", to_hex(last.txid)) is None:
            self._send(last.raw)
        if not oldest or head - last.sent_at < self.settings.stuck:
            return
        try:
            tip, fee = self.fees.raised((last.tip, last.fee), base_fee, self._tip())
        except FeeError as error:
            self._why(send, f"unmined for {head - last.sent_at} blocks: {error}")
            # The same text with each block, so that it is one alarm.
            self.alarms.append(f"{send.reference} is unmined, and a dearer one above the cap")
            return
        self._attempt(send, send.nonce, last.attempt + 1, (tip, fee), send.gas, head)

    def _begin(self, send: Send, head: int, base_fee: int, used: int) -> bool:
        """Give it a nonce and send it.  False: it waits, and its row says why."""
        try:
            fees = self.fees.first(base_fee, self._tip())
            gas = self._gas(send)
        except FeeError as error:
            self._why(send, str(error))
            return False
        except RpcError as error:
            self._why(send, f"it would not succeed now: {error.message}")
            return False
        last = self.sent.value("select max(nonce) from evm_sends")
        nonce = max(used, 0 if last is None else int(last) + 1)
        if last is not None and used > int(last) + 1:
            self.alarms.append(
                f"the gas account has used nonces up to {used - 1}, and this database knows "
                f"{last}: its key may be in other hands, or the database is from a backup"
            )
        self._attempt(send, nonce, 0, fees, gas, head)
        return True

    def _gas(self, send: Send) -> int:
        call = {
            "from": to_hex(self.key.address),
            "to": to_hex(send.target),
            "value": hex(send.value),
            "data": to_hex(send.data),
        }
        estimated = quantity(self.node.call("eth_estimateGas", call, "pending"))
        return estimated * GAS_SPARE_PERCENT // 100 + send.gas

    def _tip(self) -> int | None:
        try:
            return quantity(self.node.call("eth_maxPriorityFeePerGas"))
        except RpcError:
            return None

    def _attempt(
        self, send: Send, nonce: int, attempt: int, fees: tuple[int, int], gas: int, head: int
    ) -> None:
        """Sign, write down, and only then send."""
        tip, fee = fees
        transaction = Transaction(
            self.settings.chain_id, nonce, tip, fee, gas, send.target, send.value, send.data
        )
        signed: SignedTransaction = transaction.signed(self.key)
        query = "update evm_sends set nonce = ?, gas = ?, state = 'open', why = '' where id = ?"
        made = nonce, attempt, tip, fee, signed.raw, signed.hash, head
        with self.sent.change():
            self.sent.run(query, nonce, gas, send.id)
            self.sent.run("insert into evm_attempts values (?, ?, ?, ?, ?, ?, ?)", *made)
        self._send(signed.raw)

    def _send(self, raw: bytes) -> None:
        try:
            self.node.call("eth_sendRawTransaction", to_hex(raw))
        except RpcError as error:
            text = error.message.lower()
            if not any(known in text for known in KNOWN):
                self.alarms.append(f"the node refuses a transaction: {error.message}")

    # Rows

    def _sends(self, where: str, *values: Any) -> list[Send]:
        query = "select id, reference, target, value, data, gas, nonce, state, why, block, txid"
        rows = self.sent.rows(f"{query} from evm_sends where {where}", *values)
        return [
            Send(id, reference, target, int(value), *rest)
            for id, reference, target, value, *rest in rows
        ]

    def _sends_of(self, ids: Sequence[int] | dict[int, Any]) -> list[Send]:
        return [send for id_ in ids for send in self._sends("id = ?", id_)]

    def _set(
        self, send: Send, state: str, block: int | None = None, txid: bytes | None = None
    ) -> None:
        if (send.state, send.block, send.txid) == (state, block, txid):
            return
        query = "update evm_sends set state = ?, block = ?, txid = ? where id = ?"
        self.sent.run(query, state, block, txid, send.id)

    def _why(self, send: Send, why: str) -> None:
        self.sent.run("update evm_sends set why = ? where id = ?", why, send.id)
