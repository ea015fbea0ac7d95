"""No withdrawal goes to an address of the venue's own, of any wallet, chain or time."""

import pytest

pytest.importorskip("embit", reason="custody's libraries are not installed")

from openoutcry.custody.chains import book_of
from openoutcry.custody.errors import Refused
from openoutcry.custody.evm import parts
from openoutcry.custody.evm.contracts import DepositAddresses
from openoutcry.custody.evm.encoding import address_text
from openoutcry.custody.scanner import change_address, give_address
from openoutcry.custody.settings import WINDOW, AssetSpec, ChainSpec, CustodyFile
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import address_of, network_of
from openoutcry.custody.utxo.rail import UtxoRail
from openoutcry.custody.utxo.wallet import Wallet
from tests.support.custody.chains import hot_keys
from tests.support.custody.keys import LocalKey

GIVEN = 3
GAS = LocalKey("gas")
VAULTS = {
    "ETH": (b"\x11" * 20, b"\x12" * 20, b"\x13" * 20),
    "ARB": (b"\x21" * 20, b"\x22" * 20, b""),
}
TOKEN = b"\x31" * 20
HOT = {"LTC": hot_keys(b"7" * 32), "BTC": hot_keys(b"8" * 32)}
NETWORKS = {"LTC": "ltc-regtest", "BTC": "btc-regtest"}
URL = "http://u:p@127.0.0.1:1"


def chain(name):
    if name in HOT:
        _, _, hot, cold = HOT[name]
        return ChainSpec(name, "utxo", URL, NETWORKS[name], hot=hot, cold=cold, gap=20)
    vault, factory, cold = VAULTS[name]
    texts = {"vault": address_text(vault), "factory": address_text(factory)}
    texts |= {"cold": address_text(cold)} if cold else {}
    return ChainSpec(name, "evm", URL, gap=2, chain_id=1, **texts)


@pytest.fixture
def desk(tmp_path):
    """Rails of four chains, each of which has given three addresses to others and three changes."""
    chains = tuple(chain(one) for one in (*HOT, *VAULTS))
    assets = tuple(AssetSpec(one, one, 8, 8 if one in HOT else 18) for one in (*HOT, *VAULTS))
    assets += (AssetSpec("USDT", "ETH", 6, 6, address_text(TOKEN)),)
    at = tmp_path / "custody.toml"
    file = CustodyFile(at, tmp_path, tmp_path, chains, assets, (), tmp_path, b"", ())
    with Store(tmp_path) as store:
        for spec in chains:
            book = book_of(spec)
            for participant in range(GIVEN):
                give_address(store, book, spec, participant)
            for _ in range(GIVEN if spec.name in HOT else 0):
                change_address(store, book, spec)
        store.set_word("cold LTC", "5")
        rails = {one: UtxoRail(chain(one), file, store) for one in HOT}
        # The key of ETH's gas account is in another process, which has said its address.
        parts.rail_of(chain("ETH"), file, store, GAS).close()
        rails |= {one: parts.rail_of(chain(one), file, store, parts.NoKey()) for one in VAULTS}
        yield rails, store
        for one in rails.values():
            one.close()


def own_scripts():
    """Every kind of own address on chains of the Bitcoin family: wallet, branch, place."""
    last = GIVEN + WINDOW - 1
    for name, (_, _, hot, cold) in HOT.items():
        for branch in (0, 1):
            for place in (0, GIVEN - 1, GIVEN, 50, 119, last):
                yield f"{name} hot {branch}/{place}", hot, branch, place
            for place in (0, 4, 50, WINDOW - 1):
                yield f"{name} cold {branch}/{place}", cold, branch, place


def own_contracts():
    for name, (vault, factory, cold) in VAULTS.items():
        book = DepositAddresses(factory, vault)
        yield f"{name} vault", vault
        yield f"{name} factory", factory
        if cold:
            yield f"{name} cold vault", cold
        for place in (0, GIVEN - 1, GIVEN, 50, GIVEN + WINDOW - 1):
            yield f"{name} deposit address {place}", book.address(place)
    yield "a token", TOKEN
    yield "the gas account", GAS.address


def refusals(rail, asset, spellings):
    for text in spellings:
        with pytest.raises(Refused) as error:
            rail.check_address(text, asset, 10**18)
        yield error.value.code


@pytest.mark.promise(
    "A withdrawal to an address of the venue's own is refused, on any chain: hot, cold, change, "
    "vault, factory, gas, token. So are deposit addresses of others, given out or not yet",
    group="custody",
)
def test_every_own_address_is_refused_on_every_chain(desk):
    rails, _ = desk
    for name in HOT:
        network = network_of(NETWORKS[name])
        for what, descriptor, branch, place in own_scripts():
            script = Wallet(descriptor, network).lock(branch, place).script
            text = address_of(script, network)
            codes = set(refusals(rails[name], name, (text, text.upper())))
            assert codes == {"own_address"}, f"{what} on {name}"
    for name in VAULTS:
        for what, address in own_contracts():
            text = address_text(address)
            codes = set(refusals(rails[name], name, (text, text.lower())))
            assert codes == {"own_address"}, f"{what} on {name}"


def test_addresses_of_others_are_taken(desk):
    rails, _ = desk
    for name in HOT:
        network = network_of(NETWORKS[name])
        _, _, hot, cold = hot_keys(b"stranger" * 4)
        for descriptor in (hot, cold):
            text = address_of(Wallet(descriptor, network).lock(0, 0).script, network)
            assert rails[name].check_address(text, name, 10**8) == text
    for name in VAULTS:
        text = address_text(LocalKey("stranger").address)
        assert rails[name].check_address(text, name, 10**18) == text


def test_what_the_database_forgot_is_own_all_the_same(desk):
    rails, store = desk
    wallet = Wallet(HOT["LTC"][2], network_of("ltc-regtest"))
    store.run("delete from addresses where place < ?", GIVEN - 1)
    assert set(refusals(rails["LTC"], "LTC", [wallet.address(0, 0)])) == {"own_address"}
    # And the window moves with what is given out.
    far = wallet.address(0, GIVEN + WINDOW)
    assert rails["LTC"].check_address(far, "LTC", 10**8) == far
    give_address(store, wallet, chain("LTC"), 9)
    assert set(refusals(rails["LTC"], "LTC", [far])) == {"own_address"}


def test_quick_derivation_is_the_descriptors():
    for name, (_, _, hot, cold) in HOT.items():
        for descriptor in (hot, cold):
            wallet = Wallet(descriptor, network_of(NETWORKS[name]))
            for branch in (0, 1):
                for first in (0, 77, 2**31 - 3):
                    quick = list(wallet.scripts(branch, first, first + 3))
                    assert quick == [wallet.lock(branch, first + at).script for at in range(3)]
