"""Random histories of a chain and of custody over a real node, checked by what the node says.

    python -m tests.support.custody.histories FOLDER COUNT

runs the histories that the folder does not have yet, one line each; several processes with one
folder share them.  A history pays in,
pays out, replaces and double spends transactions, undoes up to ten blocks, and kills custody at a
random statement, call or answer.  At its end everything is mined and done, and an oracle that
shares no code with custody adds up what the node's blocks paid to whom.
"""

import json
import os
import random
import shutil
import sys
import time
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from openoutcry.custody.errors import CustodyError, NodeError, Refused
from openoutcry.custody.hsm import ORDER
from openoutcry.custody.payer import Payer
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.risk_score import Rules
from openoutcry.custody.scanner import give_address
from openoutcry.custody.serve import Parts
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.signer import Signer
from openoutcry.custody.signer_policy import Limit, Policy
from openoutcry.custody.signing import WalletSpec
from openoutcry.custody.statement import Statement
from openoutcry.custody.utxo.address import address_of, network_of
from openoutcry.custody.utxo.node import RegtestNode
from openoutcry.custody.utxo.reader import UtxoReader
from openoutcry.custody.withdrawals import Asked
from tests.support.custody.chains import NAME, TEXT, hot_keys
from tests.support.custody.claims import claimed
from tests.support.custody.core import Core, Lost

COIN, DUST, FINAL, DEEPEST = 10**8, 10_000, 12, 10
PARTICIPANTS, HOUSE = (1, 2, 3, 4), 9
STEPS = 40
HISTORIES_A_NODE, COINS = 8, 50


class SoftKey:
    """A key in memory, in the place of a module: 1,000 histories would wait for tokens."""

    def __init__(self, key):
        self.key = key

    def public_key(self, label):
        return self.key.get_public_key().sec()

    def sign(self, label, digest):
        raw = self.key.sign(digest).serialize()
        r, s = raw[4 : 4 + raw[3]], raw[6 + raw[3] :]
        return int.from_bytes(r), min(int.from_bytes(s), ORDER - int.from_bytes(s))


class Gone(BaseException):
    """Custody was killed here."""


class History:
    """One, by its seed, over a node that others have used."""

    def __init__(self, seed, node, folder):
        from embit import ec

        self.random = random.Random(seed)
        self.seed, self.node, self.folder = seed, node, folder
        folder.mkdir(parents=True)
        self.fixed, _, self.hot, self.cold = hot_keys(random.Random(seed).randbytes(32))
        self.start = node.rpc.call("getblockcount")
        values = {"url": node.url, "hot": self.hot, "cold": self.cold, "wait": 0, "final": FINAL}
        text = TEXT.format(**values).replace("gap = 20", f"gap = 8\nfirst_height = {self.start}")
        text = text.replace("automatic_up_to = 1_000_000_000", f"automatic_up_to = {10**12}")
        path = folder / "custody.toml"
        path.write_text(text)
        self.file = read_custody_file(path)
        self.core = Core()
        self.stating = ec.PrivateKey(b"a" * 32)
        self.policies, self.counts = [], {}
        self.addresses, self.wanted = {}, {}
        self.ahead_ns = 0
        self.fuse = 0
        self.blocks, self.network = 0, network_of("ltc-regtest")
        self.open()

    def mine(self, count=1):
        """To others: a wallet that has each block's coins answers ten times as slowly."""
        for _ in range(count):
            self.node.rpc.call("generatetoaddress", 1, self.elsewhere())

    def mine_empty(self):
        self.node.rpc.call("generateblock", self.elsewhere(), [])

    def elsewhere(self):
        """An address without an owner, so that no two blocks are the same."""
        self.blocks += 1
        tag = sha256(f"{self.seed} {self.blocks}".encode()).digest()[:20]
        return address_of(b"\x00\x14" + tag, self.network)

    # Custody

    def open(self):
        """All processes, as after a start."""
        for one in self.policies:
            one.close()
        limits = [Limit("LTC", NAME, 1, 100 * COIN, 10**5 * COIN, 10**5 * COIN, COIN, 100 * COIN)]
        key = self.stating.get_public_key().sec()
        wallet = WalletSpec(NAME, "utxo", "LTC", "ltc-regtest", self.hot, self.cold)
        self.policies = [
            Policy(self.folder / f"signer{number}.sqlite", "OUTCRY", key, limits, 0)
            for number in (1, 2)
        ]
        self.signers = [
            Signer(SoftKey(one), policy, [UtxoReader(wallet)])
            for one, policy in zip(self.fixed, self.policies, strict=True)
        ]
        self.parts = Parts(self.file, self.core)
        self.parts.withdrawals.rules = Rules(hold_at=10**6)
        (self.scanner,) = self.parts.scanners()
        terms = self.file, self.parts.store, self.core, self.parts.rails[NAME], self
        self.payer = Payer(NAME, *terms, lambda: time.time_ns() + self.ahead_ns)
        self.lay_fuse()

    def close(self):
        self.scanner.chain.close()
        self.parts.close()

    def lay_fuse(self):
        """Custody is gone at the nth statement or call from now on, where ``fuse`` says."""
        store, rpc = self.parts.store, self.parts.rails[NAME].node
        statements = [(store, name) for name in ("run", "run_many", "insert", "rows")]
        for owner, name in (*statements, (rpc, "batch")):
            inner = getattr(owner, name)

            def burning(*values, _inner=inner, **more):
                if self.fuse:
                    self.fuse -= 1
                    if not self.fuse:
                        raise Gone
                return _inner(*values, **more)

            setattr(owner, name, burning)

    def last_number(self):
        return max(one.last_number() for one in self.policies)

    def state(self, reference, participant):
        from openoutcry.custody.hsm import signature_text

        one = self.core.movements[reference]
        said = Statement("OUTCRY", reference, participant, one.asset, one.units, one.state)
        return said, signature_text(SoftKey(self.stating).sign("", said.digest()))

    def refused(self, chain, claims, body=None):
        request, found = {"do": "refused", "chain": chain, "claims": claims, "body": body}, {}
        for one in self.signers:
            found |= one.answer(request)["refusals"]
        return found

    def sign(self, number, chain, claims, body):
        request = {"do": "sign", "number": number, "chain": chain, "claims": claims, "body": body}
        return [one.answer(request) for one in self.signers]

    def turn(self):
        """Everything once; killed, it starts again."""
        try:
            self.scanner.catch_up()
            self.scanner.deposits.post(self.core)
            steps = self.parts.withdrawals.go_on() + self.payer.go_on()
        except (Gone, Lost):
            self.count("killed")
            self.fuse = 0
            self.close()
            self.open()
            return 1
        except NodeError:
            return 0
        return steps

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # What happens

    def address(self, participant):
        known = [one for one, owner in self.addresses.items() if owner == participant]
        if known and self.random.random() < 0.4:
            return self.random.choice(known)
        made = give_address(self.parts.store, self.scanner.book, self.scanner.spec, participant)
        self.addresses[made] = participant
        return made

    def do_deposit(self):
        units = self.random.choice((5_000, 20_000, COIN // 2, COIN, 2 * COIN, 4 * COIN, 11 * COIN))
        self.node.pay(self.address(self.random.choice(PARTICIPANTS)), units)

    def do_mine(self):
        for _ in range(self.random.randint(1, 3)):
            self.mine()
            if self.random.random() < 0.7:
                self.turn()

    def do_fork(self):
        rpc = self.node.rpc
        tip = rpc.call("getblockcount")
        depth = min(self.random.randint(1, DEEPEST), tip - self.start - 1)
        if depth < 1:
            return
        rpc.call("invalidateblock", rpc.call("getblockhash", tip - depth + 1))
        if self.random.random() < 0.3:
            self.turn()
        if self.random.random() < 0.5:
            self.double_spend()
        for place in range(depth + 1):
            if self.random.random() < 0.6 and place:
                self.mine()
            else:
                self.mine_empty()
            if self.random.random() < 0.2:
                self.turn()

    def raw_payment(self, coin, outputs, fee):
        rpc = self.node.rpc
        total = int(Decimal(coin["amount"]) * COIN)
        spent = [{"txid": coin["txid"], "vout": coin["vout"], "sequence": 1}]
        left = total - sum(outputs.values()) - fee
        amounts = dict(outputs) | {rpc.call("getnewaddress", "", "bech32"): left}
        rows = [{one: f"{units // COIN}.{units % COIN:08}"} for one, units in amounts.items()]
        raw = rpc.call("createrawtransaction", spent, rows)
        return rpc.call("signrawtransactionwithwallet", raw)["hex"]

    def coin(self):
        rows = self.node.rpc.call("listunspent", 1)
        rows = [row for row in rows if row["amount"] >= 3 and row["safe"]]
        return self.random.choice(rows) if rows else None

    def do_replacement(self):
        """The same payment for a higher fee; and perhaps to somebody else."""
        coin = self.coin()
        if coin is None:
            return
        address = self.address(self.random.choice(PARTICIPANTS))
        other = address if self.random.random() < 0.5 else self.address(2)
        self.node.rpc.call("sendrawtransaction", self.raw_payment(coin, {address: COIN}, 10_000))
        self.turn()
        self.node.rpc.call("sendrawtransaction", self.raw_payment(coin, {other: COIN + 1}, 100_000))

    def double_spend(self):
        """A transaction that waits for a block loses its input to another in a block."""
        rpc = self.node.rpc
        pool = rpc.call("getrawmempool")
        if not pool:
            return
        one = rpc.call("getrawtransaction", self.random.choice(pool), True)
        spent = one["vin"][0]
        if spent["txid"] in pool or any(
            address in self.addresses
            for out in rpc.call("getrawtransaction", spent["txid"], True)["vout"]
            for address in out["scriptPubKey"].get("addresses", [])
        ):
            return
        before = rpc.call("getrawtransaction", spent["txid"], True)["vout"][spent["vout"]]
        if not rpc.call("getaddressinfo", before["scriptPubKey"]["addresses"][0])["ismine"]:
            return
        coin = {"txid": spent["txid"], "vout": spent["vout"], "amount": before["value"]}
        if before["value"] < 1:
            return
        raw = self.raw_payment(coin, {}, 50_000)
        try:
            rpc.call("generateblock", self.elsewhere(), [raw])
            self.count("double spent")
        except NodeError:
            return

    def do_withdrawal(self):
        participant = self.random.choice(PARTICIPANTS)
        available = self.core.balance(participant, "LTC")[0]
        if available < COIN // 10:
            return
        units = self.random.randint(COIN // 20, available)
        to = self.node.rpc.call("getnewaddress", "", "bech32")
        self.parts.withdrawals.add_address(NAME, participant, to)
        salt = str(len(self.wanted))
        reference = self.parts.withdrawals.ask(Asked(participant, "LTC", to, units, salt))
        self.wanted[reference] = to, units

    def do_kill(self):
        self.fuse = self.random.randint(1, 60)
        self.turn()
        self.fuse = 0

    def do_lose(self):
        self.core.lose = self.random.choice(("before", "after"))
        self.turn()
        self.core.lose = ""

    def do_venue_away(self):
        self.core.is_open = False
        self.turn()
        self.core.is_open = True

    def do_wait(self):
        """Long enough for a bump of what is under way."""
        self.ahead_ns += 7_200 * 10**9
        self.turn()

    def do_turn(self):
        self.turn()

    def do_node_restart(self):
        # A node that is killed loses blocks that it has not flushed, and has no peer to bring them.
        self.scanner.chain.close()
        self.parts.rails[NAME].close()
        self.node.close()
        self.turn()
        self.node.start()

    # From the beginning to the end

    def run(self):
        self.node.pay(
            give_address(self.parts.store, self.scanner.book, self.scanner.spec, HOUSE), 60 * COIN
        )
        self.mine(FINAL + 1)
        while self.turn():
            pass
        weights = {
            self.do_deposit: 8, self.do_mine: 8, self.do_fork: 4, self.do_replacement: 2,
            self.do_withdrawal: 6, self.do_kill: 5, self.do_lose: 2, self.do_venue_away: 1,
            self.do_wait: 1, self.do_turn: 4,
        }  # fmt: skip
        for _ in range(STEPS):
            (one,) = self.random.choices(list(weights), list(weights.values()))
            self.count(one.__name__[3:])
            one()
        if self.random.random() < 0.1:
            self.count("node restart")
            self.do_node_restart()
        for _ in range(3 * FINAL):
            self.mine()
            while self.turn():
                pass
            if not self.unfinished():
                break
        self.mine(FINAL)
        while self.turn():
            pass
        self.check()

    def unfinished(self):
        store = self.parts.store
        return store.rows(
            "select 1 from withdrawals where state not in ('done', 'refused', 'cancelled')"
        ) + store.rows("select 1 from deposits where state in ('pending', 'seen', 'credited')")

    def check(self):
        paid = {}
        rpc = self.node.rpc
        for height in range(self.start, rpc.call("getblockcount") + 1):
            block = rpc.call("getblock", rpc.call("getblockhash", height), 2)
            for one in block["tx"]:
                for out in one["vout"]:
                    for address in out["scriptPubKey"].get("addresses", []):
                        paid.setdefault(address, []).append(int(out["value"] * COIN))
        notes = [tuple(row) for row in self.parts.store.rows("select kind, text from notes")]
        assert not self.parts.breaker.why(), self.parts.breaker.why()
        assert not self.unfinished(), (list(map(tuple, self.unfinished())), notes[-5:])
        states = {
            row["reference"]: row["state"]
            for row in self.parts.store.rows("select reference, state from withdrawals")
        }
        gone = dict.fromkeys(PARTICIPANTS, 0)
        for reference, (address, units) in self.wanted.items():
            times = [units] if states[reference] == "done" else []
            assert paid.get(address, []) == times, (reference, states[reference], notes)
            if times:
                gone[self.core.movements[reference].participant] += units
        for participant in PARTICIPANTS:
            came = sum(
                units
                for address, owner in self.addresses.items()
                for units in paid.get(address, [])
                if owner == participant and units >= DUST
            )
            held = self.core.balance(participant, "LTC")
            assert held == [came - gone[participant], 0], (participant, came, gone, held)
        assert all(times == 1 for times in self.core.credits.values())
        terms = self.file, self.parts.store, self.core, self.parts.rails
        (balance,) = Reconciler(*terms).balances(NAME)
        assert balance.is_whole, balance
        assert Reconciler(*terms).core_differences() == []
        self.count("paid" if any(gone.values()) else "unpaid")


def run_many(folder, seeds):
    """Yields the line of each history's tally."""
    node, used = None, 0
    try:
        for seed in seeds:
            if node is None or used == HISTORIES_A_NODE:
                if node is not None:
                    node.close()
                    shutil.rmtree(node.folder)
                node, used = RegtestNode(folder / f"node{seed}"), 0
                node.start()
                # The wallet looks at each of its coins for each payment: few of them, and mature.
                node.fund(COINS)
                address = address_of(b"\x00\x14" + bytes(20), network_of("ltc-regtest"))
                node.rpc.call("generatetoaddress", 120, address)
            used += 1
            one, began = History(seed, node, folder / f"history{seed}"), time.monotonic()
            try:
                one.run()
                failure = ""
            except (AssertionError, CustodyError, Refused) as error:
                failure = f"{type(error).__name__}: {error}"
                used = HISTORIES_A_NODE
            finally:
                one.close()
            if not failure:
                shutil.rmtree(one.folder)
            took = round(time.monotonic() - began, 2)
            yield {"seed": seed, "s": took, "failure": failure, **one.counts}
    finally:
        if node is not None:
            node.close()


def main(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{os.getpid()}.jsonl").open("a") as out:
        for row in run_many(folder, claimed(folder, range(count))):
            out.write(json.dumps(row) + "\n")
            out.flush()
            print(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
