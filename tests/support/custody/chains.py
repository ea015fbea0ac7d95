"""Custody over a regtest node in a folder: its file, the keys of its wallet, and its parts."""

import shutil

import pytest

from openoutcry.custody.chains import book_of, chain_of
from openoutcry.custody.scanner import Scanner, give_address
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.node import RegtestNode, binary

NAME, ASSET = "LTC-regtest", "LTC"
NEEDED = ("embit", "pkcs11", "shamir_mnemonic")


def need_node():
    """Skip, in one line, where the node or a library is not."""
    for module in NEEDED:
        pytest.importorskip(
            module, reason=f"{module} is not here: pip install 'openoutcry[custody]'"
        )
    if binary() is None:
        pytest.skip("Litecoin Core is not here: apt-get install litecoind")


def need_hsm():
    from openoutcry.custody.hsm import SOFTHSM

    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not here: apt-get install softhsm2")


TEXT = """
[custody]
journal = "journal"
folder = "custody"
whitelist_wait_s = {wait}
[[chain]]
name = "LTC-regtest"
kind = "utxo"
network = "ltc-regtest"
url = "{url}"
hot = "{hot}"
cold = "{cold}"
final = {final}
gap = 20
fee_rate = 10
[[asset]]
name = "LTC"
chain = "LTC-regtest"
decimals = 8
chain_decimals = 8
dust = 10_000
confirmations = [[100_000_000, 1], [1_000_000_000, 3], [0, 6]]
automatic_up_to = 1_000_000_000
batch_most = 100
[[signer]]
socket = "signer1.sock"
[[signer]]
socket = "signer2.sock"
"""


def hot_keys(seed=b"7" * 32):
    """Return the keys of a test's wallet: the two fixed secrets, and the root of the third key."""
    from embit import bip32, ec, networks

    root = bip32.HDKey.from_seed(seed, version=networks.NETWORKS["regtest"]["xprv"])
    fixed = [ec.PrivateKey(root.derive([place]).secret) for place in (101, 102)]
    account = root.derive("m/48h/1h/3h/2h")
    origin = f"[{root.my_fingerprint.hex()}/48h/1h/3h/2h]"
    public = f"{origin}{account.to_public().to_base58()}/<0;1>/*"
    publics = ",".join(one.get_public_key().sec().hex() for one in fixed)
    hot = f"wsh(sortedmulti(2,{publics},{public}))"
    cold_account = root.derive("m/84h/1h/0h")
    origin = f"[{root.my_fingerprint.hex()}/84h/1h/0h]"
    cold = f"wpkh({origin}{cold_account.to_public().to_base58()}/<0;1>/*)"
    return fixed, root, hot, cold


class Bench:
    """Node, store and scanner in ``folder``."""

    def __init__(self, folder, final=12, wait=0, text=""):
        self.folder = folder
        self.node = RegtestNode(folder / "node")
        self.node.start()
        self.node.fund()
        self.fixed, self.root, self.hot, self.cold = hot_keys()
        values = {"url": self.node.url, "hot": self.hot, "cold": self.cold}
        path = folder / "custody.toml"
        path.write_text(TEXT.format(final=final, wait=wait, **values) + text)
        self.file = read_custody_file(path)
        self.spec = self.file.chains[0]
        self.trips = []
        self.open()

    def open(self):
        """As after a start of the process."""
        self.store = Store(self.file.folder)
        self.book = book_of(self.spec)
        self.chain = chain_of(self.spec, self.file)
        self.scanner = Scanner(
            self.spec, self.file, self.chain, self.book, self.store, self.trips.append
        )

    def close(self):
        self.chain.close()
        self.store.close()
        self.node.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def address(self, participant):
        return give_address(self.store, self.book, self.spec, participant)

    def deposits(self):
        rows = self.store.rows("select * from deposits order by changed_ns")
        return [dict(row) for row in rows]

    def states(self):
        return sorted(row["state"] for row in self.deposits())
