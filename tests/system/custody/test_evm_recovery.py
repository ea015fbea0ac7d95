"""Everything online is lost: two shares move the vault's money, and replace its owners."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.custody import custody
from openoutcry.custody.errors import Refused
from openoutcry.custody.evm import cold
from openoutcry.custody.evm.contracts import COIN, OWNER_AT, Payment, creation_code
from openoutcry.custody.evm.deploy import Deployer, Deployment
from openoutcry.custody.evm.encoding import address_text, from_hex, word
from openoutcry.custody.evm.transactions import FeePolicy
from openoutcry.wire.decimals import decimal_text
from tests.support.custody.anvil import ETHER, GWEI, Anvil, anvil
from tests.support.custody.keys import LocalKey
from tests.support.portal.people import CHEAP
from tests.support.waiting import wait_until

for needed in ("embit", "shamir_mnemonic"):
    pytest.importorskip(needed, reason="custody's libraries are not installed")

from openoutcry.custody.ceremony import hold, recovered  # noqa: E402

SAFE = LocalKey("a new vault").address
FILE = """
[custody]
journal = "journal"
refill_wait_s = 0
[[chain]]
name = "ETH"
kind = "evm"
url = "{url}"
chain_id = 31337
vault = "{hot}"
factory = "{factory}"
cold = "{cold}"
[[asset]]
name = "ETH"
chain = "ETH"
decimals = 8
chain_decimals = 18
refill_a_day = 1_000_000_000
[[signer]]
socket = "signer1.sock"
[[signer]]
socket = "signer2.sock"
"""


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.fixture
def made(chain: Anvil) -> Iterator[tuple[Deployment, dict[str, object], list[str]]]:
    """A vault whose owners a ceremony made; its public document; the shares."""
    with chain.undone():
        keys, shares = hold("ltc-regtest")
        public = keys.document()
        key = LocalKey("gas account")
        chain.fund(key.address, ETHER)
        owners = cold.owner_addresses(public)
        deployed = Deployer(chain.node, key, FeePolicy(500 * GWEI)).deploy(sorted(owners))
        chain.transact(deployed.wallet, value=7 * ETHER)
        chain.fund(owners[0], ETHER)
        yield deployed, public, shares


def test_two_shares_bring_everything_to_safety(
    chain: Anvil, made: tuple[Deployment, dict[str, object], list[str]], tmp_path: Path
) -> None:
    """By each pair of shares the keys are the same; files carry what is built, signed and sent."""
    deployed, public, shares = made
    payments = [Payment(COIN, SAFE, 0)]
    vault = address_text(deployed.wallet)
    unsigned = tmp_path / "unsigned.json"
    unsigned.write_text(json.dumps(cold.build(public, chain.node, vault, payments, 86_400)))
    document = json.loads(unsigned.read_text())
    assert f"pays {decimal_text(7 * ETHER, 18)} coins to {address_text(SAFE)}" in cold.shown(
        document
    )
    raws = set()
    for pair in ((0, 1), (1, 2), (2, 0)):
        texts = [shares[one] for one in pair]
        keys = recovered(texts, document["network"], document["fingerprint"])
        raws.add(json.dumps(cold.sign(document, keys)))
    assert len(raws) == 1, "deterministic signatures by the same keys"
    signed = json.loads(raws.pop())
    assert cold.send(signed, chain.node) == signed["txid"]
    assert cold.send(signed, chain.node) == signed["txid"]
    chain.receipt(from_hex(signed["txid"]))
    assert chain.balance(deployed.wallet) == 0
    assert chain.balance(SAFE) == 7 * ETHER


def test_two_shares_replace_an_owner(
    chain: Anvil, made: tuple[Deployment, dict[str, object], list[str]]
) -> None:
    deployed, public, shares = made
    old, new = cold.owner_addresses(public)[1], LocalKey("its successor").address
    vault = address_text(deployed.wallet)
    document = cold.build_change(public, chain.node, vault, old, new, 86_400)
    assert f"owner {address_text(old)} becomes {address_text(new)}" in cold.shown(document)
    keys = recovered(shares[:2], str(public["network"]), str(public["fingerprint"]))
    chain.receipt(from_hex(cold.send(cold.sign(document, keys), chain.node)))
    owners = [chain.view(deployed.wallet, OWNER_AT + word(place))[12:] for place in range(3)]
    assert new in owners
    assert old not in owners


def test_the_offline_machine_believes_no_fee_and_no_other_vault(
    chain: Anvil, made: tuple[Deployment, dict[str, object], list[str]]
) -> None:
    """A fee beyond its limit is refused; a vault that is not these owners' takes nothing."""
    deployed, public, shares = made
    keys = recovered(shares[1:], str(public["network"]), str(public["fingerprint"]))
    vault = address_text(deployed.wallet)
    document = cold.build(public, chain.node, vault, [Payment(COIN, SAFE, 1)], 86_400)
    dear = document | {"transaction": document["transaction"] | {"max_fee": 10**15}}
    with pytest.raises(Refused) as refused:
        cold.sign(dear, keys)
    assert refused.value.code == "fee_too_high"
    others = sorted(LocalKey(f"other {one}").address for one in range(3))
    foreign = chain.deploy(creation_code("wallet", *others))
    chain.transact(foreign, value=ETHER)
    signed = cold.sign(document | {"vault": address_text(foreign)}, keys)
    chain.receipt(from_hex(cold.send(signed, chain.node)))
    assert chain.balance(foreign) == ETHER


def test_the_documented_commands(
    chain: Anvil, made: tuple[Deployment, dict[str, object], list[str]], tmp_path: Path
) -> None:
    """Online, offline, online: what docs/custody-evm.md says."""
    deployed, public, shares = made
    (tmp_path / "public.json").write_text(json.dumps(public))
    for number, share in enumerate(shares[:2], 1):
        (tmp_path / f"share{number}.txt").write_text(share)
    vault, node = address_text(deployed.wallet), chain.node.url
    unsigned, signed = str(tmp_path / "unsigned.json"), str(tmp_path / "signed.json")

    def run(*words: str) -> str:
        done = CliRunner().invoke(custody, ["cold", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    target = ("--vault", vault, "--to", address_text(SAFE))
    built = run(
        "build-evm", str(tmp_path / "public.json"), "--node", node, *target, "--out", unsigned
    )
    assert f"pays {decimal_text(7 * ETHER, 18)} coins to {address_text(SAFE)}" in built
    given = [f"--share={tmp_path / f'share{number}.txt'}" for number in (1, 2)]
    run("sign", unsigned, *given, "--recovery", "--out", signed)
    run("send", signed, "--node", node)
    wait_until(lambda: chain.balance(SAFE) == 7 * ETHER, "the payment is in a block")


def test_an_approved_refill_by_the_documented_commands(
    chain: Anvil, made: tuple[Deployment, dict[str, object], list[str]], tmp_path: Path
) -> None:
    """From a cold vault to custody's own: two people, and two shares without another word."""
    deployed, public, shares = made
    hot = address_text(LocalKey("custody's vault").address)
    terms = {"url": chain.node.url, "hot": hot, "factory": address_text(deployed.factory)}
    terms |= {"cold": address_text(deployed.wallet)}
    people = "".join(
        f'[[person]]\nname = "{name}"\npassword = "{CHEAP.hash(name)}"\nrole = "operator"\n'
        for name in ("anna", "bert")
    )
    (tmp_path / "custody.toml").write_text(FILE.format(**terms) + people)
    (tmp_path / "public.json").write_text(json.dumps(public))
    given = []
    for number, share in enumerate(shares[1:]):
        (tmp_path / f"share{number}.txt").write_text(share)
        given.append(f"--share={tmp_path / f'share{number}.txt'}")
    at, unsigned, signed = (
        str(tmp_path / one) for one in ("custody.toml", "unsigned.json", "signed.json")
    )

    def run(*words: str, word: str = "") -> str:
        done = CliRunner().invoke(custody, words, input=word, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert f"refill 1 to {hot}" in run("refill", "ask", at, "ETH", "5")
    for name in ("anna", "bert"):
        run("refill", "approve", at, "1", "--person", name, word=f"{name}\n")
    built = run("refill", "build", at, "1", str(tmp_path / "public.json"), "--out", unsigned)
    assert f"pays {decimal_text(5 * ETHER, 18)} coins to {hot}" in built
    document = json.loads(Path(unsigned).read_text())
    for changed, code in (
        ({"refill": document["refill"] | {"amount": 4 * ETHER}}, "other_refill"),
        ({"refill": document["refill"] | {"people": ["anna"]}}, "not_approved"),
        ({"batch": None}, "other_refill"),
    ):
        with pytest.raises(Refused) as refused:
            cold.check_refill(document | changed)
        assert refused.value.code == code
    assert "approved by anna and bert" in run("cold", "sign", unsigned, *given, "--out", signed)
    run("cold", "send", signed, "--node", chain.node.url)
    wait_until(lambda: chain.balance(from_hex(hot)) == 5 * ETHER, "the refill is in a block")
