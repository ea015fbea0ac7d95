"""A chain of the Bitcoin family as the scanner sees it."""

from openoutcry.custody.chain import Content, Header, Receipt, Spend, Watched
from openoutcry.custody.errors import NodeError
from openoutcry.custody.utxo.address import Network, script_of
from openoutcry.custody.utxo.blocks import Transaction, parse_block, parse_transaction
from openoutcry.custody.utxo.rpc import UNKNOWN, Rpc
from openoutcry.wire.closing import Closing

BATCH = 500
"""Transactions of the pool that are asked for at once."""
OUT_OF_RANGE = -8
"""The node's code for a height that it does not have."""


class UtxoChain(Closing):
    """``referee``: a second node; a block that it does not have at the same height waits."""

    def __init__(self, name: str, network: Network, node: Rpc, referee: Rpc | None = None) -> None:
        self.name, self.network, self.node, self.referee = name, network, node, referee
        self._scripts: dict[bytes, str] = {}
        self._known = 0
        self._pool: dict[str, Transaction] = {}
        self._tip: Header | None = None

    def close(self) -> None:
        self.node.close()
        if self.referee is not None:
            self.referee.close()

    def tip(self) -> Header:
        best = str(self.node.call("getbestblockhash"))
        if self._tip is None or self._tip.hash != best:
            self._tip = self.header(best)
        return self._tip  # a hash names its block for good

    def header(self, block: str) -> Header:
        row = self.node.call("getblockheader", block)
        parent = str(row.get("previousblockhash", "00" * 32))
        return Header(int(row["height"]), str(row["hash"]), parent, int(row["time"]))

    def hash_at(self, height: int) -> str | None:
        return _hash_at(self.node, height)

    def content(self, header: Header, watched: Watched) -> Content:
        if self.referee is not None and _hash_at(self.referee, header.height) != header.hash:
            raise NodeError(
                f"{self.name}: {self.referee.where} does not have block {header.height} as "
                f"{header.hash}: it waits"
            )
        raw = bytes.fromhex(self.node.call("getblock", header.hash, 0))
        block = parse_block(raw, header.hash)
        if block.parent != header.parent:
            raise NodeError(f"{self.name}: block {header.hash} has another parent than was given")
        return self._found(block.transactions, watched)

    def pool(self, watched: Watched) -> Content:
        ids = [str(txid) for txid in self.node.call("getrawmempool")]
        present = set(ids)
        self._pool = {txid: one for txid, one in self._pool.items() if txid in present}
        new = [txid for txid in ids if txid not in self._pool]
        for start in range(0, len(new), BATCH):
            calls = [("getrawtransaction", (txid,)) for txid in new[start : start + BATCH]]
            for (_, (txid,)), answer in zip(calls, self.node.answers(calls), strict=True):
                raw = answer.get("result")
                if not isinstance(raw, str):
                    continue  # gone since
                try:
                    one, _ = parse_transaction(bytes.fromhex(raw))
                except (ValueError, IndexError):
                    continue  # with an extension part: its block shows what it pays
                if one.txid == txid:
                    self._pool[txid] = one
        return self._found(tuple(self._pool.values()), watched)

    def _found(self, transactions: tuple[Transaction, ...], watched: Watched) -> Content:
        self._learn(watched)
        scripts, outputs, sent = self._scripts, watched.outputs, watched.sent
        receipts, spends, confirmed = [], [], []
        made: set[tuple[str, int]] = set()
        for transaction in transactions:
            txid = transaction.txid
            if txid in sent:
                confirmed.append(txid)
            for spent in transaction.spends:
                if spent in outputs or spent in made:
                    spends.append(Spend(*spent, txid))
            for place, (amount, script) in enumerate(transaction.outputs):
                address = scripts.get(script)
                if address is not None:
                    receipts.append(Receipt(txid, place, address, "", amount))
                    made.add((txid, place))
        count = len(transactions)
        return Content(tuple(receipts), tuple(spends), frozenset(confirmed), count)

    def _learn(self, watched: Watched) -> None:
        """The scripts of addresses that came since; none ever goes."""
        if len(watched.addresses) == self._known:
            return
        known = set(self._scripts.values())
        for address in watched.addresses:
            if address not in known:
                self._scripts[script_of(address, self.network)] = address
        self._known = len(watched.addresses)


def _hash_at(node: Rpc, height: int) -> str | None:
    try:
        return str(node.call("getblockhash", height))
    except NodeError as error:
        if error.code in (OUT_OF_RANGE, UNKNOWN):
            return None
        raise
