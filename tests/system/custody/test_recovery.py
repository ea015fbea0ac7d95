"""The ceremony, and what two of its three shares bring back after all machines are gone."""

import json
import os
import time

import pytest

from openoutcry.custody.ceremony import (
    CeremonyError,
    fill_token,
    hold,
    keys_of,
    make_shares,
    recovered,
)
from openoutcry.custody.hsm import SOFTHSM, Hsm, HsmError
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.wallet import Wallet
from tests.support.custody.chains import need_hsm, need_node
from tests.support.custody.party import PIN, softhsm
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY

COIN = 10**8
NETWORK = "ltc-regtest"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    need_node()
    need_hsm()
    softhsm(tmp_path_factory.mktemp("tokens"), "cer1", "cer2", "strict", "keys")


def outcry(folder, *words, pin="", fails=False):
    reading, writing = os.pipe()
    os.write(writing, pin.encode())
    os.close(writing)
    words = [word.replace("PIN", str(reading)) for word in words]
    done = warm_outcry.run_command([*OUTCRY, "custody", *words], cwd=folder, pass_fds=(reading,))
    os.close(reading)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.mark.promise(
    "Two of three owners move a wallet's money, and no batch is made twice, elsewhere or "
    "changed. Two of three shares, offline, refill hot wallets and vaults, and recover all "
    "funds after the loss of every online key. Other shares, another fee or another secret's "
    "inputs are refused",
    group="custody",
)
def test_two_shares_recover_everything_by_three_commands(tokens, tmp_path):
    from openoutcry.custody.utxo.node import RegtestNode

    words = ["ceremony", "made", f"--network={NETWORK}", "--token=cer1", "--token=cer2"]
    said = outcry(tmp_path, *words, "--pin-fd=PIN", pin=PIN)
    public = json.loads((tmp_path / "made" / "public.json").read_text())
    assert public["fingerprint"] in said
    hot = Wallet(public["hot"], network_of(NETWORK))
    cold = Wallet(public["cold"], network_of(NETWORK))
    with Hsm(SOFTHSM, "cer1", PIN) as hsm:
        assert hsm.public_key("utxo") == hot.keys[0]
        assert hsm.attributes("utxo")["extractable"] is False
        assert hsm.attributes("utxo")["sensitive"] is True
    with RegtestNode(tmp_path / "node") as node:
        node.start()
        node.fund()
        for address in (
            hot.address(0, 0),
            hot.address(0, 7),
            hot.address(1, 3),
            cold.address(0, 2),
        ):
            node.pay(address, 3 * COIN)
        node.mine()
        at, began = f"--node={node.url}", time.monotonic()
        outcry(tmp_path, "ceremony", "new", f"--network={NETWORK}")
        words = ["build", "made/public.json", at, "--to=new/public.json", "--out=unsigned.json"]
        outcry(tmp_path, "cold", *words, "--wallet=hot", "--wallet=cold")
        for pair in (("1", "3"), ("2", "3")):
            shares = [f"--share=made/share{number}.txt" for number in pair]
            words = ["cold", "sign", "unsigned.json", *shares, f"--out=signed{pair[0]}.json"]
            assert "no approved refill" in outcry(tmp_path, *words, fails=True)
            outcry(tmp_path, *words, "--recovery")
        outcry(tmp_path, "cold", "send", "signed1.json", at)
        node.mine()
        print(f"recovered from two shares in {time.monotonic() - began:.1f} s")
        new = json.loads((tmp_path / "new" / "public.json").read_text())
        safe = Wallet(new["cold"], network_of(NETWORK))
        found = node.rpc.call("scantxoutset", "start", [safe.branch_text(0)])
        assert 12 * COIN - 20_000 < int(found["total_amount"] * COIN) < 12 * COIN
        left = node.rpc.call("scantxoutset", "start", [hot.branch_text(0), hot.branch_text(1)])
        assert left["unspents"] == []


def test_one_share_or_another_passphrase_is_refused(tmp_path):
    keys, shares = hold(NETWORK, "horse")
    for pair in ([shares[0]], [shares[1], shares[1]]):
        with pytest.raises(CeremonyError, match="2 different shares"):
            recovered(pair, NETWORK, keys.fingerprint, "horse")
    with pytest.raises(CeremonyError, match="another passphrase"):
        recovered(shares[:2], NETWORK, keys.fingerprint, "cow")
    other = make_shares(b"x" * 32)
    with pytest.raises(CeremonyError):
        recovered([shares[0], other[1]], NETWORK, keys.fingerprint, "horse")
    mistyped = " ".join([*shares[0].split()[:-1], "academic"])
    with pytest.raises(CeremonyError, match="do not form a secret"):
        recovered([mistyped, shares[1]], NETWORK, keys.fingerprint, "horse")
    assert recovered(shares, NETWORK, keys.fingerprint, "horse") == keys


def test_a_module_keeps_its_keys_and_refuses_a_wrong_pin(tokens):
    with Hsm(SOFTHSM, "strict", PIN) as hsm:
        fill_token(hsm, keys_of(b"s" * 32, NETWORK), 1)
        with pytest.raises(HsmError, match="already"):
            hsm.make_key("utxo")
        made = hsm.make_key("own")
        assert hsm.attributes("own") == {
            "sensitive": True, "extractable": False, "never_extractable": True, "local": True,
        }  # fmt: skip
        assert len(made) == 33
    with pytest.raises(HsmError, match="PIN is wrong"):
        Hsm(SOFTHSM, "strict", "0000")
    with pytest.raises(HsmError, match="no token"):
        Hsm(SOFTHSM, "absent", PIN)


def test_keys_of_attestor_and_gas_are_made_by_a_command(tokens, tmp_path):
    for label in ("attest", "gas"):
        said = outcry(tmp_path, "key", str(SOFTHSM), "keys", label, "--pin-fd=PIN", pin=PIN)
        public, *address = said.split()
        assert [len(one) for one in address] == ([42] if label == "gas" else [])
        with Hsm(SOFTHSM, "keys", PIN) as hsm:
            assert hsm.public_key(label).hex() == public
