"""An EVM batch as a signer reads it: by its own settings, and from nothing that the payer
computed."""

from collections.abc import Mapping
from typing import Any

from openoutcry.custody.errors import Refused
from openoutcry.custody.evm.contracts import COIN, MAX_PAYMENTS, Batch, Domain, Payment
from openoutcry.custody.evm.encoding import (
    AddressError,
    address_from_text,
    address_of_public_key,
    address_text,
    to_hex,
)
from openoutcry.custody.evm.transactions import SignatureError, normalised
from openoutcry.custody.signing import Outgoing, Reading

LABEL = "evm"


def batch_body(batch: Batch) -> dict[str, Any]:
    """Return the batch in the form for signers. Numbers are texts: JSON of other programs has 53
    bits for them."""
    return {
        "number": str(batch.number),
        "deadline": batch.deadline,
        "payments": [payment.described() for payment in batch.payments],
    }


def batch_of(body: Mapping[str, Any]) -> Batch:
    """Raises ``Refused`` for anything that is not exactly such a body."""
    try:
        if set(body) != {"number", "deadline", "payments"}:
            raise ValueError("it has other fields")
        payments = tuple(
            Payment(_token(_text(one["token"])), _address(_text(one["to"])), _amount(one))
            for one in body["payments"]
        )
        number, deadline = int(_text(body["number"])), body["deadline"]
        if type(deadline) is not int or not 0 <= number < 1 << 256 or not 0 < deadline < 1 << 64:
            raise ValueError("its number or deadline is out of range")
        if not 0 < len(payments) <= MAX_PAYMENTS:
            raise ValueError(f"it has {len(payments)} payments")
    except (KeyError, TypeError, AddressError, ValueError) as error:
        raise Refused("bad_batch", f"this is no batch of payments: {error}") from None
    return Batch(number, deadline, payments)


def _token(text: str) -> bytes:
    return COIN if text == address_text(COIN) else _address(text)


def _address(text: str) -> bytes:
    """A program wrote it: with its checksum, unlike what people may give."""
    found = address_from_text(text)
    if address_text(found) != text:
        raise AddressError(f"{text} has no checksum")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is not text")
    return value


def _amount(payment: Mapping[str, Any]) -> int:
    amount = int(_text(payment["amount"]))
    if not 0 < amount < 1 << 256:
        raise ValueError(f"an amount is {amount}")
    return amount


class EvmReader:
    """``tokens``: contracts by asset; the chain's coin has the zero address.  ``cold``:
    addresses of the cold wallet, to which coins may go.  Tokens go there by a withdrawal."""

    def __init__(
        self,
        chain: str,
        domain: Domain,
        tokens: Mapping[str, bytes],
        cold: frozenset[bytes],
        label: str = LABEL,
    ) -> None:
        self.chain, self.domain, self.cold, self.label = chain, domain, cold, label
        self._assets = {token: name for name, token in tokens.items()}

    def read(self, body: dict[str, Any]) -> Reading:
        """Raises ``Refused``."""
        batch = batch_of(body)
        pays, to_cold = [], 0
        for payment in batch.payments:
            asset = self._assets.get(payment.token)
            if asset is None:
                raise Refused(
                    "unknown_token",
                    f"token {address_text(payment.token)} is not a token of this wallet",
                )
            if payment.to in self.cold and payment.token == COIN:
                to_cold += payment.amount
            else:
                pays.append(Outgoing(asset, address_text(payment.to), payment.amount))
        digest = batch.digest(self.domain)
        return Reading(
            identity=to_hex(digest),
            conflicts=(conflict(self.domain, batch.number),),
            pays=tuple(pays),
            to_cold=to_cold,
            fee=0,
            fee_asset=self._assets.get(COIN, ""),
            digests=(digest,),
        )

    def answer(
        self, body: dict[str, Any], public_key: bytes, signatures: list[tuple[int, int]]
    ) -> dict[str, Any]:
        """The signature with the parity by which the vault recovers the signer."""
        from coincurve import PublicKey

        digest = batch_of(body).digest(self.domain)
        uncompressed = PublicKey(public_key).format(compressed=False)
        try:
            ((r, s),) = signatures
            signature = normalised(digest, r, s, address_of_public_key(uncompressed))
        except (ValueError, SignatureError) as error:
            raise Refused("bad_signature", f"the HSM's signature cannot be used: {error}") from None
        return {"signature": signature.bytes65().hex()}


def conflict(domain: Domain, number: int) -> str:
    """Return the conflict key of a batch: the wallet executes at most one batch of each number."""
    return f"evm:{domain.chain_id}:{address_text(domain.wallet)}:{number}"
