"""Pays from a hot wallet of the Bitcoin family: chooses outputs, builds, combines, sends, bumps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from openoutcry.custody.errors import NodeError, Refused
from openoutcry.custody.rail import Draft, Found, Payment, Signed, Top, taken
from openoutcry.custody.scanner import change_address
from openoutcry.custody.settings import ChainSpec, CustodyFile
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import address_of, network_of, script_of
from openoutcry.custody.utxo.blocks import double_sha256
from openoutcry.custody.utxo.own import OwnScripts
from openoutcry.custody.utxo.reader import REPLACEABLE, digest_of
from openoutcry.custody.utxo.rpc import ALREADY, UNKNOWN, nodes_of
from openoutcry.custody.utxo.wallet import CHANGE, Place, Wallet
from openoutcry.wire.extras import need

COIN = 10**8
OVERHEAD_WEIGHT = 42
"""Version, counts, marker and lock time."""
INPUT_WEIGHT = 4 * 41 + 254
"""Weight of an input for 2 of 3: two signatures of 72 bytes and a script of 105."""
RELAY_RATE = 1
"""A replacement pays this for each of its virtual bytes on top of what it replaces (BIP 125)."""
BLOCKS_TO_WAIT = 6
MATURE = 100
"""Confirmations from which what a miner was paid can be spent."""
ASKED_AT_ONCE = 100
MAX_INPUTS = 500
"""Of one transaction: half of what nodes relay."""
CONSOLIDATE_FROM, CONSOLIDATED = 200, 100
"""Outputs from which on they are joined, and how many of the smallest at once."""
KILO = 1_000
KNOWN_ALREADY = ("txn-already-known", "txn-already-in-mempool", "already in")


@dataclass(frozen=True)
class Coin:
    """An output of the hot wallet that may be spent."""

    txid: str
    place: int
    amount: int
    at: Place

    @property
    def key(self) -> str:
        """The conflict key of a draft that spends it."""
        return f"{self.txid}:{self.place}"


class UtxoRail:
    """One chain's."""

    signatures_needed = 2
    most_payments = 1_000
    signs_transactions = True

    def __init__(self, spec: ChainSpec, file: CustodyFile, store: Store) -> None:
        self.spec, self.chain, self.store = spec, spec.name, store
        self.network = network_of(spec.network)
        self.node, _ = nodes_of(spec)
        self.hot = Wallet(spec.hot, self.network)
        self.cold = Wallet(spec.cold, self.network) if spec.cold else None
        self.own = OwnScripts(file, store)
        found = file.asset_of(spec.name, "")
        self.asset = found.name if found is not None else ""

    def close(self) -> None:
        self.node.close()

    def look_after(self, sends: bool) -> list[str]:
        return []

    # Before a transaction

    def check_address(self, address: str, asset: str, amount: int) -> str:
        script = script_of(address, self.network)
        normal = address_of(script, self.network)
        assert normal is not None
        if asset != self.asset:
            raise Refused("wrong_network", f"{asset} is not paid on {self.chain}")
        if script in self.own:
            raise Refused("own_address", "this address is the venue's own")
        if amount < dust_of(script):
            raise Refused("below_dust", f"less than {dust_of(script)} is not relayed by nodes")
        return normal

    def fee_rate(self) -> int:
        """Return the node's estimate for 1,000 virtual bytes, within the file's limits."""
        try:
            found = self.node.call("estimatesmartfee", BLOCKS_TO_WAIT).get("feerate")
            pool = self.node.call("getmempoolinfo")
            least = max(Decimal(pool["mempoolminfee"]), Decimal(pool["minrelaytxfee"]))
        except (NodeError, KeyError):
            return self.spec.fee_rate * KILO
        rate = self.spec.fee_rate * KILO if found is None else int(Decimal(found) * COIN)
        return min(max(rate, int(least * COIN)), self.spec.fee_rate_most * KILO)

    def build(self, payments: Sequence[Payment], taken: frozenset[str]) -> Draft:
        return self._build(payments, self._coins(taken), self.fee_rate())

    def in_wallet(self) -> int:
        query = (
            "select amount from outputs where chain = ? and height is not null "
            "and spent_height is null"
        )
        return sum(int(row["amount"]) for row in self.store.rows(query, self.chain))

    def build_to_cold(self, amount: int, taken: frozenset[str]) -> Draft:
        """Move ``amount`` to the cold wallet's next address."""
        if self.cold is None:
            raise Refused("no_cold", f"{self.chain} has no cold wallet")
        word = f"cold {self.chain}"
        with self.store.change():
            index = int(self.store.word(word) or 0)
            self.store.set_word(word, str(index + 1))
        return self._build((), self._coins(taken), self.fee_rate(), (amount, index))

    def _coins(self, taken: frozenset[str]) -> list[Coin]:
        """Return the coins that no reorganisation below finality takes away. They are final
        outputs, and change of a transaction of ours that was never replaced, and is no child of a
        replaced one. The payer does not replace it from then on: another version of it would leave
        what spends its change without an input."""
        query = (
            "select o.txid, o.place, o.amount, a.branch, a.place as at from outputs o "
            "join addresses a on a.chain = o.chain and a.address = o.address "
            "where o.chain = ? and o.height is not null and o.spent_height is null and "
            "(o.height <= (select max(height) from blocks where chain = o.chain) - ? + 1 or "
            "o.txid in (select txid from drafts d where chain = o.chain and replaces is null "
            "and purpose <> 'child' "
            "and not exists (select 1 from drafts e where e.replaces = d.id)))"
        )
        rows = self.store.rows(query, self.chain, self.spec.final)
        found = [
            Coin(row["txid"], row["place"], int(row["amount"]), Place(row["branch"], row["at"]))
            for row in rows
        ]
        free = [one for one in found if one.key not in taken]
        return sorted(free, key=lambda one: (-one.amount, one.key))

    def _build(
        self,
        payments: Sequence[Payment],
        coins: Sequence[Coin],
        rate: int,
        to_cold: tuple[int, int] = (0, 0),
        must_spend: Sequence[Coin] = (),
        least_fee: int = 0,
        change_at: int | None = None,
    ) -> Draft:
        scripts = [
            (payment.amount, script_of(payment.address, self.network)) for payment in payments
        ]
        if to_cold[0]:
            assert self.cold is not None
            scripts.append((to_cold[0], self.cold.lock(0, to_cold[1]).script))
        wanted = sum(amount for amount, _ in scripts)
        weight = OVERHEAD_WEIGHT + 4 * sum(9 + len(script) for _, script in scripts)
        change_weight = 4 * (9 + 34)
        chosen, total = list(must_spend), sum(one.amount for one in must_spend)
        rest = self._spendable([one for one in coins if one not in chosen])

        def fee(extra: int = 0) -> int:
            size = -(-(weight + INPUT_WEIGHT * len(chosen) + extra) // 4)
            return max(_fee(rate, size), least_fee + RELAY_RATE * size if least_fee else 0)

        while not chosen or total < wanted + fee():
            if len(chosen) >= MAX_INPUTS:
                raise Refused("too_many_inputs", f"{MAX_INPUTS} outputs have {total} of {wanted}")
            coin = next(rest, None)
            if coin is None:
                raise Refused(
                    "insufficient_hot",
                    f"the hot wallet of {self.chain} has {total} confirmed and free, and needs "
                    f"{wanted} and a fee of {fee()}",
                )
            chosen.append(coin)
            total += coin.amount
        paid, own = fee(), {}
        change = total - wanted - fee(change_weight)
        if change > dust_of(bytes(34)) + _fee(rate, 105):
            if change_at is None:
                _, change_at = change_address(self.store, self.hot, self.spec)
            scripts.append((change, self.hot.lock(CHANGE, change_at).script))
            own[str(len(scripts) - 1)] = ["hot", CHANGE, change_at]
            paid = fee(change_weight)
        else:
            paid = total - wanted
        if to_cold[0]:
            own[str(len(payments))] = ["cold", 0, to_cold[1]]
        return self._draft(payments, chosen, scripts, own, paid, rate)

    def _draft(
        self,
        payments: Sequence[Payment],
        chosen: Sequence[Coin],
        scripts: Sequence[tuple[int, bytes]],
        own: dict[str, list[Any]],
        fee: int,
        rate: int,
    ) -> Draft:
        tx, psbt_module = _embit("transaction"), _embit("psbt")
        script = _embit("script")
        inputs = [
            tx.TransactionInput(bytes.fromhex(one.txid), one.place, sequence=REPLACEABLE)
            for one in chosen
        ]
        outputs = [tx.TransactionOutput(amount, script.Script(lock)) for amount, lock in scripts]
        unsigned = tx.Transaction(version=2, vin=inputs, vout=outputs, locktime=0)
        psbt = psbt_module.PSBT(unsigned)
        for one, scope in zip(chosen, psbt.inputs, strict=True):
            lock = self.hot.lock(one.at.branch, one.at.index)
            scope.witness_utxo = tx.TransactionOutput(one.amount, script.Script(lock.script))
            scope.witness_script = script.Script(lock.witness_script)
            for public, fingerprint, path in lock.origins:
                key = _embit("ec").PublicKey.parse(public)
                scope.bip32_derivations[key] = psbt_module.DerivationPath(fingerprint, list(path))
        body = {
            "psbt": psbt.to_base64(),
            "inputs": [[one.at.branch, one.at.index] for one in chosen],
            "own": own,
        }
        identity = double_sha256(unsigned.serialize())[::-1].hex()
        amounts = [[one.txid, one.place, one.amount] for one in chosen]
        paid = sum(payment.amount for payment in payments)
        kept = sum(scripts[int(at)][0] for at, mark in own.items() if mark[0] == "hot")
        cold = sum(one.amount for one in chosen) - fee - paid - kept
        leaves = {self.asset: {"paid": paid, "fee": fee, "cold": cold}}
        notes = {"rate_a_kb": rate, "coins": amounts, "leaves": leaves}
        keys = tuple(one.key for one in chosen)
        return Draft(self.chain, identity, body, fee, keys, tuple(payments), "", notes)

    def bump(self, draft: Draft) -> Draft:
        """BIP 125: the same outputs spent, a fee that pays for the relay as well."""
        return self._rebuild(draft, coins_of(draft), self._dearer(draft), draft.fee)

    def again(self, draft: Draft, earlier: Sequence[Sequence[str]]) -> Draft:
        """By those of its outputs that can be spent, and others."""
        mine = coins_of(draft)
        usable = list(self._spendable(mine))
        if len(usable) == len(mine):
            raise Refused("not_needed", "the node rejects it for another reason than its outputs")
        keys = {one.key for one in usable}
        if not all(keys & set(one) for one in (draft.conflicts, *earlier)):
            raise Refused(
                "nothing_spendable",
                "none of its outputs can be spent now, or none of one that it replaces; it was "
                "signed, and waits for them",
            )
        return self._rebuild(draft, usable, max(self.fee_rate(), rate_of(draft)), 0)

    def without(self, draft: Draft, payments: Sequence[Payment]) -> Draft:
        """By the outputs that it spends, all of them."""
        less = replace(draft, payments=tuple(payments))
        return self._rebuild(less, coins_of(draft), self.fee_rate(), 0)

    def _rebuild(self, draft: Draft, must: Sequence[Coin], rate: int, least_fee: int) -> Draft:
        """The payments of a draft, by ``must`` and what no other draft uses."""
        marks = draft.body["own"]
        change = next((mark[2] for mark in marks.values() if mark[0] == "hot"), None)
        cold = [(int(at), mark[2]) for at, mark in marks.items() if mark[0] == "cold"]
        to_cold = (0, 0)
        if cold:
            psbt = _embit("psbt").PSBT.from_base64(draft.body["psbt"])
            to_cold = (psbt.tx.vout[cold[0][0]].value, cold[0][1])
        others = self._coins(taken(self.store, self.chain) | frozenset(draft.conflicts))
        made = self._build(draft.payments, others, rate, to_cold, must, least_fee, change)
        return replace(made, replaces=draft.identity)

    def consolidate(self, taken: frozenset[str]) -> Draft | None:
        coins, rate = self._coins(taken), self.spec.fee_rate * KILO
        if len(coins) <= CONSOLIDATE_FROM or (now := self.fee_rate()) > rate:
            return None
        worth = [coin for coin in reversed(coins) if coin.amount > _fee(now, INPUT_WEIGHT // 4 + 1)]
        chosen = list(self._spendable(worth))[:CONSOLIDATED]
        return self._build((), [], now, must_spend=chosen) if len(chosen) > 1 else None

    def _spendable(self, coins: Sequence[Coin]) -> Iterator[Coin]:
        """Those that the node would let a transaction spend now: it has them unspent, also by what
        waits, and none is a miner's that is not mature."""
        for start in range(0, len(coins), ASKED_AT_ONCE):
            some = coins[start : start + ASKED_AT_ONCE]
            rows = self.node.batch([("gettxout", (one.txid, one.place)) for one in some])
            for one, row in zip(some, rows, strict=True):
                if row and (not row["coinbase"] or int(row["confirmations"]) >= MATURE):
                    yield one

    def _dearer(self, draft: Draft) -> int:
        """The rate of what pays more than a draft: by a quarter, and by what nodes ask for."""
        old = rate_of(draft)
        rate = max(self.fee_rate(), old + max(KILO, old // 4))
        if rate > self.spec.fee_rate_most * KILO:
            raise Refused("fee_too_high", f"{rate // KILO} a byte is above what the file allows")
        return rate

    def child(self, draft: Draft, signed: Signed) -> Draft:
        """Spends the change of a transaction that waits, to the wallet itself, for a fee that pays
        for both.  Raises :class:`Refused`: no_change, change_too_small, fee_too_high."""
        psbt = _embit("psbt").PSBT.from_base64(draft.body["psbt"])
        marks = draft.body["own"].items()
        change = [(int(place), mark[2]) for place, mark in marks if mark[0] == "hot"]
        if not change:
            raise Refused("no_change", f"{signed.txid} has no change that a child could spend")
        place, index = change[0]
        rate = self._dearer(draft)
        bare = len(psbt.tx.serialize())
        parent = -(-(3 * bare + len(signed.raw) // 2) // 4)
        own = -(-(OVERHEAD_WEIGHT + INPUT_WEIGHT + 4 * (9 + 34)) // 4)
        fee = max(0, _fee(rate, parent) - draft.fee) + _fee(rate, own)
        amount = psbt.tx.vout[place].value
        if amount - fee <= dust_of(bytes(34)) + _fee(rate, 105):
            raise Refused("change_too_small", f"{amount} does not pay a fee of {fee}")
        coin = Coin(signed.txid, place, amount, Place(CHANGE, index))
        return self._build((), [], rate, must_spend=[coin], least_fee=fee - RELAY_RATE * own)

    # After the signers

    def combine(self, draft: Draft, answers: Sequence[dict[str, Any]]) -> Signed:
        psbt = _embit("psbt").PSBT.from_base64(draft.body["psbt"])
        script, ec = _embit("script"), _embit("ec")
        unsigned = psbt.tx
        for place, at in enumerate(draft.body["inputs"]):
            lock = self.hot.lock(*at)
            digest = digest_of(
                unsigned, place, lock.witness_script, psbt.inputs[place].witness_utxo.value
            )
            made: dict[int, bytes] = {}
            for answer in answers:
                try:
                    key = bytes.fromhex(answer["key"])
                    raw = bytes.fromhex(answer["signatures"][place])
                    is_right = ec.PublicKey.parse(key).verify(ec.Signature.parse(raw), digest)
                    at_byte = lock.witness_script.index(key)
                except Exception:  # whatever the library makes of a stolen signer's answer
                    raise Refused("bad_signature", "a signer's answer has no signature") from None
                if not is_right:
                    raise Refused("bad_signature", f"a signature of {key.hex()[:16]}… is wrong")
                made[at_byte] = raw + b"\x01"
            if len(made) < self.signatures_needed:
                raise Refused("too_few_signatures", f"input {place} has {len(made)} signatures")
            chosen = [made[at_byte] for at_byte in sorted(made)][: self.signatures_needed]
            unsigned.vin[place].witness = script.Witness([b"", *chosen, lock.witness_script])
        return Signed(draft.identity, unsigned.serialize().hex())

    def find(self, signed: Signed) -> Found | None:
        try:
            row = self.node.call("getrawtransaction", signed.txid, True)
        except NodeError as error:
            if error.code == UNKNOWN:
                return None
            raise
        if "blockhash" not in row or int(row.get("confirmations", 0)) <= 0:
            return Found(signed.txid, 0)
        return Found(signed.txid, int(self.node.call("getblockheader", row["blockhash"])["height"]))

    def transaction(self, signed: Signed) -> str:
        return signed.txid

    def refused_payments(self, draft: Draft, signed: Signed) -> frozenset[str]:
        return frozenset()  # a script refuses nothing that is paid to it

    def send(self, signed: Signed) -> None:
        try:
            self.node.call("sendrawtransaction", signed.raw)
        except NodeError as error:
            if error.code != ALREADY and not any(one in str(error) for one in KNOWN_ALREADY):
                raise

    def holdings(self, top: Top | None = None) -> dict[str, int] | None:
        """Return the holdings by the node's own set of unspent outputs, independent of custody's
        records."""
        query = "select max(place) as last from addresses where chain = ?"
        row = self.store.row(query, self.chain)
        last = 0 if row is None or row["last"] is None else int(row["last"])
        rows = [
            {"desc": self.hot.branch_text(branch), "range": last + self.spec.gap}
            for branch in self.hot.branches
        ]
        found = self.node.call("scantxoutset", "start", rows)
        if not found.get("success"):
            raise NodeError(f"{self.chain}: the node did not finish its search for outputs")
        if top is not None and found["bestblock"] != top[1]:
            return None
        return {self.asset: int(Decimal(found["total_amount"]) * COIN)}


def coins_of(draft: Draft) -> list[Coin]:
    """The outputs that a draft spends."""
    rows = zip(draft.notes["coins"], draft.body["inputs"], strict=True)
    return [Coin(txid, place, amount, Place(*at)) for (txid, place, amount), at in rows]


def rate_of(draft: Draft) -> int:
    """Its fee for 1,000 bytes; drafts of an older build have their rate by the byte."""
    return int(draft.notes.get("rate_a_kb") or draft.notes["rate"] * KILO)


def _fee(rate: int, size: int) -> int:
    """``rate``: for 1,000 bytes."""
    return -(-rate * size // KILO)


def dust_of(script: bytes) -> int:
    """Below it nodes do not relay an output: at 3 for each byte to make and spend it, but 10 times
    that on chains with Litecoin's default."""
    spend = 67 if script[:1] in (b"\x00", b"\x51") and len(script) in (22, 34) else 148
    return 30 * (8 + 1 + len(script) + spend)


def _embit(name: str) -> Any:
    return need(f"embit.{name}", "chains of the Bitcoin family need embit", "custody")
