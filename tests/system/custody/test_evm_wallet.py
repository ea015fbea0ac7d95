"""The wallet's contract on a node: who moves what, and who does not."""

import hashlib
import json
from collections.abc import Iterator

import pytest

from openoutcry.custody.evm.contracts import compiled, creation_code
from tests.support.custody.anvil import Anvil, anvil
from tests.support.custody.compile_contracts import COMPILED, NAMES, SOURCES, text
from tests.support.custody.wallet_checks import CHECKS, World

pytest.importorskip("vyper", reason="the contracts' compiler is not installed")


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


@pytest.mark.promise(
    "Two of three owners move a wallet's money, and no batch is made twice, elsewhere or "
    "changed. Two of three shares, offline, refill hot wallets and vaults, and recover all "
    "funds after the loss of every online key. Other shares, another fee or another secret's "
    "inputs are refused",
    group="custody",
)
@pytest.mark.parametrize("name", CHECKS)
def test_wallet(chain: Anvil, name: str) -> None:
    CHECKS[name](World(chain, creation_code("wallet")))


def test_the_bytecode_is_of_the_sources() -> None:
    """The bytecode is of the compiler's version that is named; the sources' hashes are those of the
    files."""
    for name in NAMES:
        source = (SOURCES / f"{name}.vy").read_bytes()
        assert compiled()["contracts"][name]["source_sha256"] == hashlib.sha256(source).hexdigest()
    if json.loads(text())["compiler"] == compiled()["compiler"]:
        assert COMPILED.read_text() == text()


def test_no_contract_can_run_foreign_code() -> None:
    """None has DELEGATECALL, CALLCODE or SELFDESTRUCT among its instructions."""
    for name in NAMES:
        code = creation_code(name)
        place, found = 0, set()
        while place < len(code):
            found.add(code[place])
            place += 1 + (code[place] - 0x5F if 0x60 <= code[place] <= 0x7F else 0)
        assert not found & {0xF2, 0xF4, 0xFF}, name
