"""Looks with each block for requests to signers that custody did not make.

A thief with one signer needs another one's signature, and has to ask for it.  Each signer remembers
what it was asked, whether it signed or refused.  A request that belongs to no draft of the payer
stops all withdrawals.
"""

from typing import Protocol

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.store import Store


class Asked(Protocol):
    """The signers' memory."""

    def asked(self) -> dict[str, list[tuple[str, str]]]:
        """Ask each signer for identities of transactions, and why one was refused."""


class Watch:
    """Watches one store."""

    def __init__(self, store: Store, links: Asked) -> None:
        self.store, self.links, self.breaker = store, links, Breaker(store)
        self._looked = ""

    def go_on(self) -> int:
        """Once for each block of any chain; how many requests were not custody's."""
        query = "select chain, max(height) as top from blocks group by chain order by chain"
        tops = str([(row["chain"], row["top"]) for row in self.store.rows(query)])
        if tops == self._looked:
            return 0
        self._looked = tops
        return sum(
            self._look(name, identity, code)
            for name, rows in self.links.asked().items()
            for identity, code in rows
        )

    def _look(self, name: str, identity: str, code: str) -> bool:
        if self.store.row("select 1 from drafts where identity = ?", identity) is not None:
            return False
        word = f"foreign {name} {identity}"
        if self.store.word(word):
            return False  # people know it
        with self.store.change():
            self.store.set_word(word, code or "signed")
            what = f"refused ({code})" if code else "signed"
            self.breaker.trip(f"{name} {what} {identity}, which custody did not ask for")
        return True
