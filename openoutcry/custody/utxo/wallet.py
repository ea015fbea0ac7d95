"""A wallet by its descriptor: addresses and scripts from public keys alone.

The hot wallet is ``wsh(sortedmulti(2,A,B,[…]xpub/<0;1>/*))``.  A and B are the fixed keys of two
HSMs; the third key, whose secret is offline, makes each address another one.  Branch 0 is what
others pay to, branch 1 is change.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from openoutcry.custody.errors import CustodyError
from openoutcry.custody.utxo.address import Network, address_of, hash160
from openoutcry.wire.extras import need

RECEIVE, CHANGE = 0, 1
MAX_INDEX = 2**31


@dataclass(frozen=True)
class Place:
    """Where an address is in its wallet."""

    branch: int
    index: int


@dataclass(frozen=True)
class Lock:
    """Script that locks an output of a wallet."""

    place: Place
    script: bytes
    witness_script: bytes
    """Empty for a wallet of one key."""
    origins: tuple[tuple[bytes, bytes, tuple[int, ...]], ...]
    """Public key, fingerprint and path of each key that is derived."""


class Wallet:
    """Derives what belongs to one descriptor."""

    def __init__(self, descriptor: str, network: Network) -> None:
        module = need("embit.descriptor", "chains of the Bitcoin family need embit", "custody")
        self.text, self.network = descriptor, network
        try:
            self._descriptor: Any = module.Descriptor.from_string(descriptor)
        except Exception as error:
            raise CustodyError(f"descriptor {descriptor[:40]!r}…: {error}") from None
        if self._descriptor.num_branches != 2 or not self._descriptor.is_wildcard:
            raise CustodyError(f"descriptor {descriptor[:40]!r}… has no branches <0;1>/*")
        self.lock = lru_cache(maxsize=65_536)(self._lock)

    @property
    def is_multi(self) -> bool:
        """Return whether several keys sign each output."""
        return bool(self._descriptor.is_basic_multisig)

    def _lock(self, branch: int, index: int) -> Lock:
        if branch not in (RECEIVE, CHANGE) or not 0 <= index < MAX_INDEX:
            raise CustodyError(f"{branch}/{index} is not a place in a wallet")
        one = self._descriptor.derive(index, branch_index=branch)
        witness = one.witness_script()
        origins = tuple(
            (key.sec(), key.origin.fingerprint, tuple(key.origin.derivation))
            for key in one.keys
            if key.origin is not None
        )
        witness_bytes = bytes(witness.data) if witness is not None else b""
        script = bytes(one.script_pubkey().data)
        return Lock(Place(branch, index), script, witness_bytes, origins)

    def scripts(self, branch: int, first: int, until: int) -> Iterator[bytes]:
        """Scripts of the places from ``first`` to ``until`` of a branch, as :meth:`lock` has them,
        at a twentieth of its cost."""
        ((root, fixed),) = [
            (key.key, [bytes(one.sec()) for one in self._descriptor.keys if one is not key])
            for key in self._descriptor.keys
            if key.is_extended
        ]
        parent = root.derive([branch])
        public, curve = parent.sec(), need("embit.util.secp256k1", "this needs embit", "custody")
        for index in range(first, until):
            tweak = hmac.digest(parent.chain_code, public + index.to_bytes(4), "sha512")[:32]
            point = curve.ec_pubkey_parse(public)
            child = bytes(curve.ec_pubkey_serialize(curve.ec_pubkey_add(point, tweak)))
            if not fixed:
                yield b"\x00\x14" + hash160(child)
                continue
            pushes = b"".join(b"\x21" + key for key in sorted([*fixed, child]))
            script = b"\x52" + pushes + bytes([0x51 + len(fixed)]) + b"\xae"
            yield b"\x00\x20" + hashlib.sha256(script).digest()

    def address(self, branch: int, index: int) -> str:
        """The address at a place.  Raises :class:`CustodyError` for a place outside of the
        wallet."""
        address = address_of(self.lock(branch, index).script, self.network)
        assert address is not None
        return address

    def branch_text(self, branch: int) -> str:
        """The descriptor of one branch, as nodes read it."""
        return str(self._descriptor.branch(branch))

    @property
    def branches(self) -> tuple[int, ...]:
        return (RECEIVE, CHANGE)

    @property
    def vault(self) -> str:
        return ""

    @property
    def keys(self) -> list[bytes]:
        """The fixed public keys."""
        return [bytes(key.sec()) for key in self._descriptor.keys if not key.is_extended]
