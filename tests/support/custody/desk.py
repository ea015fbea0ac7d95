"""Custody without processes over one node: scanner, payer, and two signers with modules."""

from openoutcry.custody.payer import Payer
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.risk_score import Rules
from openoutcry.custody.serve import Parts
from openoutcry.custody.withdrawals import Asked
from tests.support.custody.chains import NAME, Bench
from tests.support.custody.core import Core
from tests.support.custody.party import COIN, Party


class Desk:
    """A custody with everything but processes, over one node."""

    def __init__(self, folder, **limits):
        self.bench = Bench(folder, final=6)
        self.core = Core()
        self.party = Party(folder, self.core, *self.keys(), **limits)
        self.parts = Parts(self.bench.file, self.core)
        self.parts.links = self.party
        self.parts.withdrawals.rules = Rules(hold_at=1_000)
        self.payer = self.new_payer()

    def keys(self):
        return self.bench.fixed, self.bench.hot, self.bench.cold

    def new_payer(self):
        terms = self.bench.file, self.parts.store, self.core, self.parts.rails[NAME]
        forbids = self.parts.withdrawals.sanctioned_now
        return Payer(NAME, *terms, self.party, forbids=forbids)

    def close(self):
        self.parts.close()
        self.party.close()
        self.bench.close()

    def turn(self):
        self.bench.scanner.catch_up()
        self.bench.scanner.deposits.post(self.core)
        steps = self.parts.withdrawals.go_on() + self.payer.go_on()
        return steps

    def settle(self):
        while self.turn():
            pass

    def mine(self, count=1):
        for _ in range(count):
            self.bench.node.mine()
            self.settle()

    def fund(self, participant, coins):
        self.bench.node.pay(self.bench.address(participant), coins * COIN)
        self.mine(7)

    def outside(self):
        return self.bench.node.rpc.call("getnewaddress", "", "bech32")

    def ask(self, participant, units, address=None, **more):
        to = address or self.outside()
        self.parts.withdrawals.add_address(NAME, participant, to)
        return self.parts.withdrawals.ask(Asked(participant, "LTC", to, units, **more)), to

    def received(self, address):
        return int(self.bench.node.rpc.call("getreceivedbyaddress", address, 0) * COIN)

    def states(self):
        query = "select reference, state from withdrawals"
        return {row["reference"]: row["state"] for row in self.parts.store.rows(query)}

    def balances(self):
        terms = self.bench.file, self.parts.store, self.core, self.parts.rails
        return Reconciler(*terms).balances(NAME)

    def drafts(self):
        return [dict(row) for row in self.parts.store.rows("select * from drafts order by id")]
