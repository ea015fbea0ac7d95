"""Reserves of vaults on an EVM chain: what two owners sign is what an outsider's node finds."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.custody import custody
from openoutcry.custody.errors import Refused
from openoutcry.custody.evm import reserves
from openoutcry.custody.evm.contracts import COIN, creation_code
from openoutcry.custody.evm.deploy import Deployer
from openoutcry.custody.evm.encoding import address_text, to_hex
from openoutcry.custody.evm.transactions import FeePolicy
from openoutcry.custody.hsm import signature_text, tagged
from openoutcry.custody.reserves import RESERVES, ReservesError, message_of, require_distinct
from openoutcry.wire.decimals import decimal_text
from tests.support.custody.anvil import ETHER, GWEI, Anvil, anvil
from tests.support.custody.evm_floor import UNIT, EvmFloor
from tests.support.custody.keys import LocalKey
from tests.support.custody.proofs import EXAMPLE, World

for needed in ("embit", "shamir_mnemonic"):
    pytest.importorskip(needed, reason="custody's libraries are not installed")

from openoutcry.custody.ceremony import hold, recovered  # noqa: E402

TOKENS = 10**9
DAY_S = 86_400
"""The node's clock is behind by a day."""


@pytest.fixture
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@dataclass
class Owners:
    """The signers' words, as ``Links`` brings them."""

    keys: list[LocalKey]

    def reserves(self, chain: str, message: str) -> list[dict[str, str]]:
        digest = tagged(RESERVES, message.encode())
        signed = [(one, one.sign(digest)) for one in self.keys]
        return [
            {"key": key.public_key.hex(), "signature": signature_text((one.r, one.s))}
            for key, one in signed
        ]


@pytest.mark.promise(
    "An outsider checks offline, or on an EVM chain by a separate node, that hot and cold "
    "wallets have what is owed. No changed proof, other contract or other owners pass",
    group="custody",
)
def test_reserves_of_both_vaults_hold_and_no_change_to_them_does(
    chain: Anvil, tmp_path: Path
) -> None:
    floor = EvmFloor(chain, tmp_path)
    try:
        chain.transact(floor.address(7), value=5 * ETHER, sender=1)
        floor.mint(floor.address(8), TOKENS)
        floor.settle(2)
        assert floor.store is not None
        # Not swept yet: a deposit address has it.
        chain.transact(floor.address(9), value=8 * UNIT, sender=1)
        chain.mine(14)
        floor.scanner.catch_up()
        terms = floor.file.chains[0], floor.file, floor.store
        made = reserves.prove(*terms, Owners(floor.owners[:2]), chain.node, "fresh")  # type: ignore[arg-type]
        document = json.loads(json.dumps(made))
        node = floor.node
        held = {"ETH": 5 * ETHER + 8 * UNIT, "USDT": TOKENS}
        assert reserves.check(document, "fresh", node) == held
        assert document["deposit_addresses"]
        plain = {name: value for name, value in document.items() if name != "signatures"}

        def signed(keys: list[LocalKey], **change: object) -> dict[str, object]:
            false = plain | change
            return false | {"signatures": Owners(keys).reserves("", message_of(false))}

        others = sorted(LocalKey(f"other {one}").address for one in range(3))
        foreign = chain.deploy(creation_code("wallet", *others))
        thieves = [LocalKey("thief"), LocalKey("another thief")]
        for false in (
            document | {"totals": held},
            signed(floor.owners[:2], totals={"ETH": str(6 * ETHER), "USDT": str(TOKENS)}),
            signed(floor.owners[:1]),
            signed(floor.owners[:1] * 2),
            signed(thieves),
            signed(floor.owners[:2], vault=address_text(foreign)),
            signed(floor.owners[:2], vault=address_text(floor.token)),
            signed(floor.owners[:2], deposit_addresses=[0, 0]),
            signed(floor.owners[:2], deposit_addresses=[-1]),
            signed(floor.owners[:2], deposit_addresses=[2**256]),
            signed(floor.owners[:2], height=float("inf")),
            signed(floor.owners[:2], block="0x" + "00" * 32),
            signed(floor.owners[:2], chain_id=1),
            signed(floor.owners[:2], decimals={"ETH": 8, "USDT": 6}),
            signed(floor.owners[:2], decimals={"ETH": 18}),
            signed(floor.owners[:2], format="", kind=""),
            signed(floor.owners[:2], kind="reserves"),
            signed(
                floor.owners[:2],
                tokens={"USD": plain["tokens"]["ETH"]},
                totals={"USD": str(held["ETH"])},
                decimals={"USD": 18},
            ),
            signed(floor.owners[:2], tokens={"ETH": plain["tokens"]["ETH"], "B": "0x" + "00" * 20}),
        ):
            with pytest.raises(ReservesError):
                reserves.check(false, "fresh", node)
        with pytest.raises(ReservesError, match="another challenge"):
            reserves.check(document, "old", node)
        _joined(chain, tmp_path, document)
    finally:
        floor.close()


def _joined(chain: Anvil, folder: Path, hot: dict[str, object]) -> None:
    """With a cold vault, by the documented commands."""
    keys, shares = hold("ltc-regtest")
    public = keys.document()
    key = LocalKey("deployer of the cold vault")
    chain.fund(key.address, 10 * ETHER)
    owners = reserves.owner_addresses(public)
    vault = Deployer(chain.node, key, FeePolicy(500 * GWEI)).deploy(sorted(owners)).wallet
    chain.transact(vault, value=70 * ETHER)
    (folder / "public.json").write_text(json.dumps(public))
    (folder / "hot.json").write_text(json.dumps(hot))
    for number, share in enumerate(shares[:2], 1):
        (folder / f"share{number}.txt").write_text(share)

    def run(*words: str) -> str:
        done = CliRunner().invoke(custody, [*words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    unsigned, cold, url = folder / "unsigned.json", folder / "cold.json", chain.node.url
    words = ["--node", url, "--chain=EVM", "--asset=ETH", "--challenge=fresh"]
    run(
        "cold",
        "reserves",
        str(folder / "public.json"),
        *words,
        "--vault",
        address_text(vault),
        f"--out={unsigned}",
    )
    given = [f"--share={folder / f'share{number}.txt'}" for number in (1, 2)]
    said = run("cold", "sign", str(unsigned), *given, f"--out={cold}")
    assert "nothing is paid" in said
    paths, at = [str(folder / "hot.json"), str(cold)], World(time_s=int(time.time()) - DAY_S).at
    said = run("verify", *paths, "--challenge=fresh", f"--node=EVM={url}", at)
    assert f"EVM: held {decimal_text(70 * ETHER, 18)} ETH" in said
    assert f"EVM: held {decimal_text(5 * ETHER + 8 * UNIT, 18)} ETH" in said
    document = json.loads(cold.read_text())
    with pytest.raises(ReservesError, match="two proofs"):
        require_distinct([document, document])
    other, _ = hold("ltc-regtest")
    with pytest.raises(Refused):
        reserves.sign_cold(json.loads(unsigned.read_text()), other)
    two = recovered(shares[1:], str(public["network"]), str(public["fingerprint"]))
    assert reserves.check(reserves.sign_cold(document, two), "fresh", chain.node) == {
        "ETH": 70 * ETHER
    }
    assert COIN not in owners


@pytest.mark.promise(
    "Money that moved between two vaults counts once, although their proofs are of two blocks",
    group="custody",
)
def test_money_that_moved_between_two_proofs_counts_once(chain: Anvil, tmp_path: Path) -> None:
    floor = EvmFloor(chain, tmp_path)
    try:
        keys, _ = hold("ltc-regtest")
        public = keys.document()
        deployer = LocalKey("deployer of the cold vault")
        chain.fund(deployer.address, 10 * ETHER)
        owners = sorted(reserves.owner_addresses(public))
        cold = Deployer(chain.node, deployer, FeePolicy(500 * GWEI)).deploy(owners).wallet
        hot = to_hex(floor.made.wallet)
        chain.transact(floor.made.wallet, value=60 * ETHER)
        world = World(asset="ETH", time_s=int(time.time()) - DAY_S)
        stated = world.statement(units=60 * 10**8)
        owed = world.owed(stated, tmp_path)

        def hot_proof() -> dict[str, object]:
            terms = floor.file.chains[0], floor.file, floor.store, Owners(floor.owners[:2])
            return reserves.prove(*terms, chain.node, "fresh", owed)  # type: ignore[arg-type]

        def cold_proof() -> dict[str, object]:
            coin = {"ETH": COIN}
            made = reserves.prove_cold(
                public, "EVM", chain.node, address_text(cold), coin, "fresh", owed
            )
            return reserves.sign_cold(made, keys)

        before = [hot_proof(), cold_proof()]
        chain.node.call("anvil_impersonateAccount", hot)
        sent = {"from": hot, "to": to_hex(cold), "value": hex(40 * ETHER), "gasPrice": "0x0"}
        chain.node.call("anvil_setNextBlockBaseFeePerGas", "0x0")
        chain.node.call("eth_sendTransaction", sent)
        chain.mine(1)
        after = [hot_proof(), cold_proof()]
        assert (before[0]["totals"]["ETH"], after[1]["totals"]["ETH"]) == (
            str(60 * ETHER),
            str(40 * ETHER),
        )

        def believed(documents: list[dict[str, object]], units: int) -> list[bool]:
            """Whether each verifier believes that they cover so much."""
            stated = world.statement(units=units)
            owed = world.owed(stated, tmp_path)
            (tmp_path / "stated.json").write_text(json.dumps(stated))
            words = [f"--node=EVM={chain.node.url}", "--challenge=fresh", world.at]
            words.append(f"--public-key={world.public_key}")
            for place, one in enumerate(documents):
                path = tmp_path / f"proof{place}.json"
                signers = Owners(floor.owners[:2])
                plain = {name: v for name, v in one.items() if name != "signatures"}
                plain["owed"] = owed
                if "owners" in plain:
                    made = reserves.sign_cold(plain, keys)
                else:
                    made = plain | {"signatures": signers.reserves("", message_of(plain))}
                path.write_text(json.dumps(made))
                words.append(str(path))
            statement = tmp_path / "stated.json"
            ours = CliRunner().invoke(custody, ["verify", *words, f"--liabilities={statement}"])
            example = [sys.executable, "-I", str(EXAMPLE), *words, f"--statement={statement}"]
            theirs = subprocess.run(example, capture_output=True, text=True)
            return [ours.exit_code == 0, theirs.returncode == 0]

        for true in (before, after, [before[0], after[1]], [after[0], before[1]]):
            assert believed(true, 60 * 10**8) == [True, True], true
            assert believed(true, 60 * 10**8 + 1) == [False, False], true
    finally:
        floor.close()
