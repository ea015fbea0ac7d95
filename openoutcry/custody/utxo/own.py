"""Scripts of the venue's own wallets on chains of the Bitcoin family, known by derivation.

The database says how many addresses were given out, and no more.  All of them and a window beyond
are derived from the wallets' public keys, also those that it has forgotten.
"""

from openoutcry.custody.settings import WINDOW, CustodyFile
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.wallet import Wallet


class OwnScripts:
    """The hot and the cold wallet of every such chain of the file: a script is own on each network
    that can pay to it."""

    def __init__(self, file: CustodyFile, store: Store) -> None:
        self.store = store
        self._wallets = [
            (spec, wallet, Wallet(descriptor, network_of(spec.network)))
            for spec in file.chains
            if spec.kind == "utxo"
            for wallet, descriptor in (("hot", spec.hot), ("cold", spec.cold))
            if descriptor
        ]
        self._known: set[bytes] = set()
        self._derived: dict[tuple[str, str, int], int] = {}

    def __contains__(self, script: bytes) -> bool:
        for spec, name, wallet in self._wallets:
            for branch in wallet.branches:
                key = spec.name, name, branch
                given = self._given(spec.name, branch) if name == "hot" else self._sent(spec.name)
                until, first = given + max(WINDOW, spec.gap), self._derived.get(key, 0)
                self._known.update(wallet.scripts(branch, first, until))
                self._derived[key] = max(first, until)
        return script in self._known

    def _given(self, chain: str, branch: int) -> int:
        query = "select max(place) as last from addresses where chain = ? and branch = ?"
        row = self.store.row(query, chain, branch)
        return 0 if row is None or row["last"] is None else int(row["last"]) + 1

    def _sent(self, chain: str) -> int:
        """Addresses of the cold wallet that were paid to."""
        return int(self.store.word(f"cold {chain}") or 0)
