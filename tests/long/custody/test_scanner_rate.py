"""How many transactions the scanner takes in a second: blocks of a node in memory, real records."""

import time
from dataclasses import dataclass, field

import pytest

from openoutcry.custody.chains import book_of
from openoutcry.custody.scanner import Scanner, give_address
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import network_of, script_of
from openoutcry.custody.utxo.blocks import double_sha256, merkle_root, parse_transaction
from openoutcry.custody.utxo.chain import UtxoChain
from tests.support.custody.chains import TEXT, hot_keys, need_node

BLOCKS, TRANSACTIONS, OURS = 10, 2_000, 4
"""One transaction of OURS pays to the wallet."""


@dataclass
class MemoryNode:
    """Answers what a scanner asks of a node."""

    where: str = "memory"
    hashes: list = field(default_factory=list)
    raws: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)

    def close(self):
        pass

    def add(self, transactions):
        parent = self.hashes[-1] if self.hashes else "00" * 32
        ids = [bytes.fromhex(parse_transaction(raw)[0].txid)[::-1] for raw in transactions]
        header = b"\x02\0\0\0" + bytes.fromhex(parent)[::-1] + merkle_root(ids) + b"\0" * 12
        count = b"\xfd" + len(transactions).to_bytes(2, "little")
        name = double_sha256(header)[::-1].hex()
        self.raws[name] = (header + count + b"".join(transactions)).hex()
        row = {"height": len(self.hashes), "hash": name, "previousblockhash": parent, "time": 0}
        self.headers[name] = row
        self.hashes.append(name)

    def call(self, method, *params):
        if method == "getbestblockhash":
            return self.hashes[-1]
        if method == "getblockhash":
            return self.hashes[params[0]]
        if method == "getrawmempool":
            return []
        return {"getblockheader": self.headers, "getblock": self.raws}[method][params[0]]


def transaction(number, script):
    spent = number.to_bytes(32) + b"\0" * 4 + b"\0" + b"\xff" * 4
    outputs = [(10**6 + number, script), (5 * 10**6, b"\x00\x14" + number.to_bytes(20))]
    body = b"".join(
        amount.to_bytes(8, "little") + bytes([len(lock)]) + lock for amount, lock in outputs
    )
    witness = b"\x02\x48" + b"s" * 72 + b"\x21" + b"k" * 33
    return b"\2\0\0\0\0\1\1" + spent + b"\2" + body + witness + b"\0" * 4


@pytest.mark.promise(
    "The scanner takes 2,000 transactions a second, a quarter of which are deposits, and a block "
    "with 5,000 outputs of users with less than a second of work",
    group="custody",
)
def test_the_scanner_takes_two_thousand_transactions_a_second(tmp_path):
    need_node()
    _, _, hot, cold = hot_keys()
    path = tmp_path / "custody.toml"
    values = {"url": "http://u:p@127.0.0.1:1", "hot": hot, "cold": cold, "wait": 0, "final": 6}
    path.write_text(TEXT.format(**values))
    file = read_custody_file(path)
    (spec,) = file.chains
    book, node = book_of(spec), MemoryNode()
    with Store(file.folder) as store:
        addresses = [give_address(store, book, spec, 7) for _ in range(200)]
        scripts = [script_of(one, network_of(spec.network)) for one in addresses]
        node.add([transaction(0, b"\x00\x14" + b"g" * 20)])
        for block in range(BLOCKS):
            first = 1 + block * TRANSACTIONS
            node.add(
                [
                    transaction(n, scripts[n % 200] if n % OURS == 0 else b"\x00\x14" + b"x" * 20)
                    for n in range(first, first + TRANSACTIONS)
                ]
            )
        chain = UtxoChain(spec.name, network_of(spec.network), node)
        scanner = Scanner(spec, file, chain, book, store)
        scanner.step()
        began = time.process_time()
        scanner.catch_up()
        took = time.process_time() - began
        row = store.row("select count(*) as n from deposits where state <> 'pending'")
        assert row["n"] == BLOCKS * TRANSACTIONS // OURS
    rate = BLOCKS * TRANSACTIONS / took
    print(f"{rate:,.0f} transactions a second of processor time")
    assert rate >= 2_000, rate
