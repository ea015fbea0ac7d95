"""An EVM chain of ``custody.toml``: its file, keys that were made in SoftHSM, and signers that are
processes; deposits, sweep, withdrawals and the comparison with the chain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.custody.attestor import LABEL, Attestor
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.evm.contracts import creation_code
from openoutcry.custody.evm.deploy import Deployer, Deployment
from openoutcry.custody.evm.encoding import address_from_text, address_text, selector, words
from openoutcry.custody.evm.parts import GAS_LABEL
from openoutcry.custody.evm.transactions import FeePolicy, HsmSigner
from openoutcry.custody.hsm import SOFTHSM, Hsm
from openoutcry.custody.links import Links
from openoutcry.custody.payer import Payer
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.risk_score import Rules
from openoutcry.custody.scanner import give_address
from openoutcry.custody.serve import Parts
from openoutcry.custody.settings import CustodyFile, read_custody_file
from openoutcry.custody.statement import Statement
from openoutcry.custody.withdrawals import Asked
from tests.support.custody.anvil import CHAIN_ID, ETHER, GWEI, Anvil, anvil
from tests.support.custody.chains import need_hsm
from tests.support.custody.core import Core
from tests.support.custody.keys import LocalKey
from tests.support.custody.party import PIN, VENUE, Processes, softhsm
from tests.support.custody.wallet_checks import helper

CUSTODY = """
[custody]
journal = "journal"
folder = "custody"
whitelist_wait_s = 0
[[chain]]
name = "EVM"
kind = "evm"
url = "{url}"
chain_id = {chain_id}
vault = "{vault}"
factory = "{factory}"
final = 6
gap = 20
first_height = {first}
fee_rate_most = 500
sweep_every_s = 1
gas_module = "{module}"
gas_token = "gas"
gas_pin = "gas.pin"
[[asset]]
name = "ETH"
chain = "EVM"
decimals = 8
chain_decimals = 18
dust = 10
confirmations = [[0, 2]]
automatic_up_to = 1_000_000_000_000
sweep_from = 10
sweep_at_once = 10
[[asset]]
name = "USDT"
chain = "EVM"
decimals = 6
chain_decimals = 6
token = "{token}"
dust = 10
confirmations = [[0, 2]]
automatic_up_to = 1_000_000_000_000
sweep_from = 10
sweep_at_once = 10
[[signer]]
socket = "signer1.sock"
[[signer]]
socket = "signer2.sock"
"""
SIGNER = """
[signer]
socket = "signer{number}.sock"
store = "signer{number}.sqlite"
module = "{module}"
token = "signer{number}"
venue = "OUTCRY"
attestor = "{attestor}"
destination_wait_s = 0
[[wallet]]
chain = "EVM"
kind = "evm"
asset = "ETH"
label = "evm"
chain_id = {chain_id}
vault = "{vault}"
tokens = {{ USDT = "{token}" }}
[[limit]]
asset = "ETH"
chain = "EVM"
scale = 10_000_000_000
a_payment = 500_000_000
an_hour = 1_000_000_000
a_day = 1_000_000_000
fee = 0
fees_a_day = 0
[[limit]]
asset = "USDT"
chain = "EVM"
a_payment = 10_000_000
an_hour = 10_000_000
a_day = 10_000_000
fee = 0
fees_a_day = 0
"""


class AttestedLinks(Links):
    """The signers' processes; the attestor is an object of the test, over its venue."""

    attesting: Attestor

    def state(self, reference: str, participant: int) -> tuple[Statement, str]:
        request = {"do": "state", "reference": reference, "participant": participant}
        answer = self.attesting.answer(request)
        return Statement(**answer["statement"]), str(answer["signature"])


class Desk:
    """Everything over one node."""

    def __init__(self, chain: Anvil, folder: Path) -> None:
        self.chain, self.folder, self.core = chain, folder, Core()
        softhsm(folder, "attestor", "signer1", "signer2", "gas")
        self.hsms = {name: Hsm(SOFTHSM, name, PIN) for name in ("attestor", "gas")}
        attestor_key = self.hsms["attestor"].make_key(LABEL)
        self.hsms["gas"].make_key(GAS_LABEL)
        gas = HsmSigner(self.hsms["gas"], GAS_LABEL)
        owners = [self.owner(1), self.owner(2), LocalKey("third, offline").address]
        chain.fund(gas.address, 100 * ETHER)
        deployer = Deployer(chain.node, gas, FeePolicy(500 * GWEI))
        self.made: Deployment = deployer.deploy(sorted(owners))
        assert deployer.deploy(sorted(owners)) == self.made, "nothing is made twice"
        text = [b"Demonstration dollar", b"DEMO"]
        strings = b"".join(words(len(one)) + one.ljust(32, b"\0") for one in text)
        self.token = chain.deploy(creation_code("token") + words(96, 160, 6) + strings)
        self.values = {
            "url": chain.node.url,
            "chain_id": CHAIN_ID,
            "vault": address_text(self.made.wallet),
            "factory": address_text(self.made.factory),
            "first": chain.block_number(),
            "module": SOFTHSM,
            "token": address_text(self.token),
            "attestor": attestor_key.hex(),
        }
        (folder / "custody.toml").write_text(CUSTODY.format(**self.values))
        for number in (1, 2):
            (folder / f"signer{number}.toml").write_text(
                SIGNER.format(number=number, **self.values)
            )
        (folder / "gas.pin").write_text(PIN)
        (folder / "gas.pin").chmod(0o600)
        self.file: CustodyFile = read_custody_file(folder / "custody.toml")
        self.signers = Processes(folder)
        for number in (1, 2):
            self.signers.start(f"signer{number}")
        for number in (1, 2):
            self.signers.wait(f"signer{number}")
        self.hsms["gas"].close()
        self.parts = Parts(self.file, self.core)
        self.parts.withdrawals.rules = Rules(hold_at=1_000)
        (self.scanner,) = self.parts.scanners()
        self.links = AttestedLinks(self.file.signers, self.file.attestor)
        self.links.attesting = Attestor(VENUE, self.core, self.hsms["attestor"])
        terms = self.file, self.parts.store, self.core, self.parts.rails["EVM"]
        self.payer = Payer("EVM", *terms, self.links)

    def owner(self, number: int) -> bytes:
        """The address of a key that a signer's token made and keeps."""
        with Hsm(SOFTHSM, f"signer{number}", PIN) as hsm:
            hsm.make_key("evm")
            assert hsm.attributes("evm")["never_extractable"]
            return HsmSigner(hsm, "evm").address

    def close(self) -> None:
        self.signers.close()
        self.parts.close()
        self.hsms["attestor"].close()

    def turn(self) -> None:
        self.scanner.catch_up()
        self.scanner.deposits.post(self.core)
        self.parts.withdrawals.go_on()
        self.payer.go_on()
        # A busy node mines what it was sent a little later.
        self.chain.settled()

    def mine(self, count: int) -> None:
        for _ in range(count):
            self.turn()
            self.chain.mine()
        self.turn()

    def address(self, participant: int) -> bytes:
        spec = self.file.chains[0]
        text = give_address(self.parts.store, self.scanner.book, spec, participant)
        return address_from_text(text)

    def ask(self, participant: int, asset: str, units: int, to: bytes) -> str:
        text = address_text(to)
        self.parts.withdrawals.add_address("EVM", participant, text)
        return self.parts.withdrawals.ask(Asked(participant, asset, text, units))

    def balances(self) -> list[Any]:
        """At the node's last block, in which payments of the last turn may be."""
        self.scanner.catch_up()
        reconciler = Reconciler(self.file, self.parts.store, self.core, self.parts.rails)
        found = reconciler.balances("EVM")
        assert found is not None
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    need_hsm()
    with anvil() as chain:
        made = Desk(chain, tmp_path_factory.mktemp("evm"))
        yield made
        made.close()


def test_from_a_deposit_to_a_withdrawal(desk: Desk) -> None:
    """Through files, modules and processes; at each block chain, records and venue agree."""
    chain, to = desk.chain, LocalKey("customer").address
    place, other = desk.address(1), desk.address(2)
    chain.transact(place, value=3 * ETHER)
    mint = selector("mint(address,uint256)") + words(other, 7_000_000)
    chain.transact(desk.token, mint)
    for _ in range(8):
        desk.mine(1)
        assert all(one.is_whole for one in desk.balances()), desk.balances()
    assert desk.core.balance(1, "ETH") == [300_000_000, 0]
    assert desk.core.balance(2, "USDT") == [7_000_000, 0]
    assert chain.balance(desk.made.wallet) == 3 * ETHER, "swept"
    first = desk.ask(1, "ETH", 100_000_000, to)
    second = desk.ask(2, "USDT", 5_000_000, to)
    for _ in range(9):
        desk.mine(1)
        assert all(one.is_whole for one in desk.balances()), desk.balances()
    assert desk.core.movements[first].state == desk.core.movements[second].state == "done"
    assert chain.balance(to) == ETHER
    assert desk.core.balance(1, "ETH") == [200_000_000, 0]


def test_a_refused_payment_is_the_customers_again(desk: Desk) -> None:
    """Its receiver is a contract that takes no coins."""
    desk.chain.transact(desk.address(1), value=ETHER)
    desk.mine(8)
    before = desk.core.balance(1, "ETH")[0]
    refusing = desk.chain.deploy(helper("deposits_refuser"))
    reference = desk.ask(1, "ETH", 1_000, refusing)
    for _ in range(9):
        desk.mine(1)
        assert all(one.is_whole for one in desk.balances()), desk.balances()
    assert desk.core.movements[reference].state == "failed"
    assert desk.core.balance(1, "ETH") == [before, 0]


def test_a_payment_beyond_a_signers_limit_waits(desk: Desk) -> None:
    """The venue has sent it, and both signers refuse: nothing leaves, and a person is called."""
    desk.chain.transact(desk.address(1), value=9 * ETHER)
    desk.mine(8)
    held = desk.chain.balance(desk.made.wallet)
    reference = desk.ask(1, "ETH", 500_000_001, LocalKey("much").address)
    desk.mine(3)
    notes = [row["text"] for row in desk.parts.store.rows("select text from notes")]
    assert any("too_much" in one for one in notes), notes
    assert desk.core.movements[reference].state == "sent"
    assert desk.chain.balance(desk.made.wallet) == held
    desk.parts.store.run("delete from drafts where state = 'drafted'")
    desk.parts.store.run("update withdrawals set state = 'refused' where reference = ?", reference)


def test_with_one_signer_gone_nothing_is_paid_until_it_is_back(desk: Desk) -> None:
    to = LocalKey("patient").address
    desk.signers.kill("signer2")
    reference = desk.ask(1, "ETH", 5_000, to)
    desk.mine(3)
    assert desk.chain.balance(to) == 0
    (desk.folder / "signer2.sock").unlink(missing_ok=True)
    desk.signers.start("signer2")
    desk.signers.wait("signer2")
    desk.mine(9)
    assert desk.core.movements[reference].state == "done"
    assert desk.chain.balance(to) == 5_000 * 10**10


def test_coins_that_come_by_no_log_are_a_note_and_stop_nothing(desk: Desk) -> None:
    """Anybody can give the wallet coins that no log shows: by a contract that ends itself."""
    desk.mine(2)
    desk.chain.fund(desk.made.wallet, desk.chain.balance(desk.made.wallet) + 1)
    desk.mine(1)
    reconciler = Reconciler(desk.file, desk.parts.store, desk.core, desk.parts.rails)
    reconciler.go_on()
    assert not desk.parts.breaker.why()
    notes = [row["text"] for row in desk.parts.store.rows("select text from notes")]
    assert any("more than" in one for one in notes), notes
    desk.chain.fund(desk.made.wallet, desk.chain.balance(desk.made.wallet) - 2)
    desk.mine(1)
    Reconciler(desk.file, desk.parts.store, desk.core, desk.parts.rails).go_on()
    assert "reconciliation" in desk.parts.breaker.why()


def test_a_wrong_setting_is_named(desk: Desk) -> None:
    """With its chain and key."""
    vault = str(desk.values["vault"])
    text = CUSTODY.format(**desk.values | {"vault": "0x" + vault[2:].swapcase()})
    path = desk.folder / "wrong.toml"
    path.write_text(text)
    with pytest.raises(CustodyError, match=r"chain EVM: vault = .*: the checksum of this"):
        Parts(read_custody_file(path), desk.core)
    (desk.folder / "gas.pin").chmod(0o644)
    with pytest.raises(CustodyError, match="other users may read it"):
        Parts(desk.file, desk.core)
    (desk.folder / "gas.pin").chmod(0o600)
