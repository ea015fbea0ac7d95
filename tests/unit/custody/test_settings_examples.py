"""The settings files in examples/custody, and the tables of every key in docs/custody.md."""

from openoutcry.custody.attestor import read_attestor_file
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.signer import read_signer_file
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.wallet import Wallet
from tests import ROOT
from tests.support.custody.settings_keys import PAGE, filled

EXAMPLES = ROOT / "examples" / "custody"


def test_the_page_has_every_key_with_its_default() -> None:
    """`python -m tests.support.custody.settings_keys` writes the tables."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


def test_each_example_is_read_and_they_fit_each_other() -> None:
    custody = read_custody_file(EXAMPLES / "custody.toml")
    signer = read_signer_file(EXAMPLES / "signer.toml")
    attestor = read_attestor_file(EXAMPLES / "attestor.toml")
    assert custody.attestor_key == signer.attestor_key
    assert custody.attestor == attestor.socket
    assert signer.socket in custody.signers
    assert signer.venue == attestor.venue
    for chain, wallet in zip(custody.chains, signer.wallets, strict=True):
        assert (chain.name, chain.hot, chain.cold) == (wallet.chain, wallet.hot, wallet.cold)
        assert (chain.chain_id, chain.vault) == (wallet.chain_id, wallet.vault)
    ltc = custody.chains[0]
    for descriptor in (ltc.hot, ltc.cold):
        assert Wallet(descriptor, network_of(ltc.network)).address(0, 7).startswith("rltc1")
    assert {one.name for one in custody.assets} == {one.asset for one in signer.limits}
    assert {one.name: one.scale for one in custody.assets} == {
        one.asset: one.scale for one in signer.limits
    }
