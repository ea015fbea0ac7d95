"""How a signer reads a transaction of the Bitcoin family: from its own wallets' keys.

Nothing that the builder says is believed.  The builder's numbers say where in the wallet an input
or the change is; the signer derives the script there and compares.  The amount of an input is part
of its signature (BIP 143), so a false one makes a signature that no node accepts.  The signature of
another input does not cover it: the policy signs a transaction with one set of amounts alone.
"""

from typing import Any

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.hsm import der
from openoutcry.custody.signing import Outgoing, Reading
from openoutcry.custody.utxo.address import address_of, network_of
from openoutcry.custody.utxo.blocks import double_sha256
from openoutcry.custody.utxo.wallet import CHANGE, Wallet
from openoutcry.wire.extras import need

ALL = b"\x01"
MAX_PARTS = 5_000
REPLACEABLE = 0xFFFFFFFD


class UtxoReader:
    """Reads transactions of one hot wallet; ``wallet``: the table of the signer's file."""

    def __init__(self, wallet: Any) -> None:
        self.chain, self.label, self.asset = wallet.chain, wallet.label, wallet.asset
        self.network = network_of(wallet.network)
        self.hot = Wallet(wallet.hot, self.network)
        self.cold = Wallet(wallet.cold, self.network) if wallet.cold else None
        if not self.hot.is_multi:
            raise CustodyError(f"{self.chain}: the hot wallet is not a multisignature")

    def read(self, body: dict[str, Any]) -> Reading:
        psbt = self._psbt(body)
        transaction = psbt.tx
        if not 0 < len(psbt.inputs) <= MAX_PARTS or not 0 < len(psbt.outputs) <= MAX_PARTS:
            raise Refused("bad_transaction", "too many inputs or outputs, or none")
        if transaction.version != 2 or transaction.locktime != 0:
            raise Refused("bad_transaction", "another version than 2, or a lock time")
        total, digests, conflicts = 0, [], []
        for place, (one, spent) in enumerate(zip(psbt.inputs, transaction.vin, strict=True)):
            lock = self.hot.lock(*self._place(body, "inputs", place))
            utxo = one.witness_utxo
            if utxo is None or bytes(utxo.script_pubkey.data) != lock.script:
                raise Refused("foreign_input", f"input {place} does not belong to this wallet")
            if spent.sequence != REPLACEABLE:
                raise Refused("bad_transaction", f"input {place} is not replaceable")
            conflicts.append(f"{spent.txid.hex()}:{spent.vout}")
            total += utxo.value
            digests.append(digest_of(transaction, place, lock.witness_script, utxo.value))
        if len(set(conflicts)) != len(conflicts):
            raise Refused("bad_transaction", "an output is spent twice")
        pays, to_cold, kept = self._outputs(body, transaction)
        left = sum(one.amount for one in pays) + to_cold + kept
        identity = double_sha256(transaction.serialize())[::-1].hex()
        terms = tuple(pays), to_cold, total - left, self.asset, tuple(digests)
        return Reading(identity, tuple(conflicts), *terms)

    def _outputs(self, body: dict[str, Any], transaction: Any) -> tuple[list[Outgoing], int, int]:
        pays, to_cold, kept = [], 0, 0
        own = body.get("own")
        marks = own if isinstance(own, dict) else {}
        for place, one in enumerate(transaction.vout):
            script, mark = bytes(one.script_pubkey.data), marks.get(str(place))
            if mark is None:
                address = address_of(script, self.network)
                if address is None:
                    raise Refused("unknown_output", f"output {place} pays to no address")
                pays.append(Outgoing(self.asset, address, one.value))
                continue
            wallet, branch, index = self._mark(mark)
            known = {"hot": self.hot if branch == CHANGE else None, "cold": self.cold}.get(wallet)
            if known is None or known.lock(branch, index).script != script:
                raise Refused("false_change", f"output {place} is not the wallet's own")
            kept += one.value if wallet == "hot" else 0
            to_cold += one.value if wallet == "cold" else 0
        return pays, to_cold, kept

    def _mark(self, mark: Any) -> tuple[str, int, int]:
        if (
            not isinstance(mark, list)
            or [type(part) for part in mark] != [str, int, int]
            or not 0 <= mark[2] < 2**31
            or mark[1] not in (0, 1)
        ):
            raise Refused("false_change", "name an own output by wallet, branch and index")
        return mark[0], mark[1], mark[2]

    def _place(self, body: dict[str, Any], name: str, number: int) -> tuple[int, int]:
        rows = body.get(name)
        row = rows[number] if isinstance(rows, list) and number < len(rows) else None
        _, branch, index = self._mark(["hot", *row] if isinstance(row, list) else None)
        return branch, index

    def _psbt(self, body: dict[str, Any]) -> Any:
        module = need("embit.psbt", "PSBT needs embit", "custody")
        try:
            return module.PSBT.from_base64(body["psbt"])
        except Exception as error:
            raise Refused("bad_transaction", f"this is not a PSBT: {error}") from None

    def answer(
        self, body: dict[str, Any], public_key: bytes, signatures: list[tuple[int, int]]
    ) -> dict[str, Any]:
        return {
            "key": public_key.hex(),
            "signatures": [der(*signature).hex() for signature in signatures],
        }


def digest_of(transaction: Any, place: int, witness_script: bytes, amount: int) -> bytes:
    """Return the digest that a signature for input ``place`` signs (BIP 143); ``amount``: of the
    output that it spends."""
    script = need("embit.script", "PSBT needs embit", "custody").Script(witness_script)
    return bytes(transaction.sighash_segwit(place, script, amount))
