"""The keys' ceremony: one secret, three shares of it, and everything that is derived from it.

It runs on a machine without a network.  The secret is in memory only; two shares of three make it
again (SLIP-39).  A wrong passphrase makes another secret without an error, so every use checks the
fingerprint that the ceremony printed.
"""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError
from openoutcry.custody.hsm import Hsm, tagged, uncompressed
from openoutcry.custody.utxo.address import Network, network_of
from openoutcry.wire.extras import need

SHARES, NEEDED, SECRET_BYTES = 3, 2, 32
MAINNET_COIN = {"btc": 0, "ltc": 2}
TEST_COIN = 1
PUBLIC = ("network", "fingerprint", "hot", "cold", "evm_owners")
UTXO, EVM = "utxo", "evm"
"""Labels of the keys in a signer's token."""


class CeremonyError(CustodyError):
    """Shares that are not right, or a secret that is another one."""


@dataclass(frozen=True)
class Keys:
    """Keys made of a secret: the signers' keys, and those that are never online."""

    network: Network
    root: Any

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the secret, for people to compare; it does not reveal the secret."""
        return tagged("fingerprint", self.root.key.serialize() + self.root.chain_code).hex()[:16]

    def _coin(self) -> int:
        return MAINNET_COIN.get(self.network.name, TEST_COIN)

    def signer(self, number: int) -> Any:
        """The private key of signer 1 or 2 in the hot wallet."""
        return self.root.derive(f"m/48h/{self._coin()}h/{number}h/2h").key

    def evm(self, number: int) -> Any:
        """Key of owner 1, 2 or 3 of an EVM chain's vault."""
        return self.root.derive(f"m/44h/60h/{number}h/0/0").key

    def third(self) -> Any:
        """The account whose children make the hot wallet's addresses."""
        return self.root.derive(f"m/48h/{self._coin()}h/3h/2h")

    def cold_account(self) -> Any:
        """The account whose children are the cold wallet's keys."""
        return self.root.derive(f"m/84h/{self._coin()}h/0h")

    def hot(self) -> str:
        """The hot wallet's descriptor: public."""
        fixed = ",".join(self.signer(number).get_public_key().sec().hex() for number in (1, 2))
        text = self._public(self.third(), f"48h/{self._coin()}h/3h/2h")
        return f"wsh(sortedmulti(2,{fixed},{text}))"

    def cold(self) -> str:
        """The cold wallet's descriptor: public."""
        return f"wpkh({self._public(self.cold_account(), f'84h/{self._coin()}h/0h')})"

    def _public(self, account: Any, path: str) -> str:
        text = account.to_public().to_base58(self.network.extended_public)
        return f"[{self.root.my_fingerprint.hex()}/{path}]{text}/<0;1>/*"

    def document(self) -> dict[str, Any]:
        """Return the public part, for every other machine."""
        return {
            "network": self.network.name,
            "fingerprint": self.fingerprint,
            "hot": self.hot(),
            "cold": self.cold(),
            "evm_owners": [self.evm(number).get_public_key().sec().hex() for number in (1, 2, 3)],
        }


def keys_of(secret: bytes, network: str) -> Keys:
    """The keys that a secret makes on a network, which is named as in ``custody.toml``."""
    bip32 = need("embit.bip32", "a ceremony needs embit", "custody")
    return Keys(network_of(network), bip32.HDKey.from_seed(secret))


def make_shares(secret: bytes, passphrase: str = "") -> list[str]:
    """Three texts of 33 words."""
    module = need("shamir_mnemonic", "a ceremony needs shamir-mnemonic", "custody")
    found = module.generate_mnemonics(1, [(NEEDED, SHARES)], secret, passphrase.encode())
    return [str(one) for one in found[0]]


def secret_of(shares: Sequence[str], passphrase: str = "") -> bytes:
    """Recover the secret from any two shares.  Raises :class:`CeremonyError`."""
    module = need("shamir_mnemonic", "a ceremony needs shamir-mnemonic", "custody")
    distinct = list(dict.fromkeys(" ".join(share.split()).lower() for share in shares))
    if len(distinct) < NEEDED:
        raise CeremonyError(f"{NEEDED} different shares are needed, not {len(distinct)}")
    try:
        return bytes(module.combine_mnemonics(distinct[:NEEDED], passphrase.encode()))
    except module.MnemonicError as error:
        raise CeremonyError(f"these shares do not form a secret: {error}") from None


def recovered(shares: Sequence[str], network: str, fingerprint: str, passphrase: str = "") -> Keys:
    """The keys of a ceremony.  Raises :class:`CeremonyError` if they are those of another."""
    keys = keys_of(secret_of(shares, passphrase), network)
    if keys.fingerprint != fingerprint.lower():
        raise CeremonyError(
            f"these shares form the secret {keys.fingerprint}, not {fingerprint}: another "
            "passphrase, or shares of another ceremony"
        )
    return keys


def fill_token(hsm: Hsm, keys: Keys, number: int) -> None:
    """Put a signer's keys into its token: from then on they are not extractable."""
    for label, key in ((UTXO, keys.signer(number)), (EVM, keys.evm(number))):
        hsm.import_key(label, key.secret, uncompressed(key.get_public_key().sec()))


def hold(network: str, passphrase: str = "") -> tuple[Keys, list[str]]:
    """A new secret's keys and shares.  The shares are checked before anything uses the keys."""
    secret = secrets.token_bytes(SECRET_BYTES)
    keys, shares = keys_of(secret, network), make_shares(secret, passphrase)
    for pair in ((0, 1), (1, 2), (0, 2)):
        recovered([shares[place] for place in pair], network, keys.fingerprint, passphrase)
    return keys, shares


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; raises an error if it exists."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


def write_ceremony(folder: Path, keys: Keys, shares: Sequence[str]) -> list[Path]:
    """``public.json`` and one file for each share, for three people to take away."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = [folder / "public.json"]
    write_private(paths[0], json.dumps(keys.document(), indent=1) + "\n")
    for number, share in enumerate(shares, 1):
        paths.append(folder / f"share{number}.txt")
        write_private(paths[-1], share + "\n")
    return paths


def read_public(path: Path) -> dict[str, Any]:
    """The public file of a ceremony.  Raises :class:`CeremonyError` if it is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {name: document[name] for name in PUBLIC}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CeremonyError(f"{path} is not a ceremony's public file: {error}") from None
