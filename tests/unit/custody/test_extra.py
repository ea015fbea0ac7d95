"""Custody can be imported without the libraries of its extra: a venue without custody has none."""

import ast

import pytest

from openoutcry import PACKAGE

EXTRA = {"embit", "coincurve", "Crypto", "pkcs11", "shamir_mnemonic", "segno", "zxingcpp", "PIL"}
FOLDER = PACKAGE / "custody"
NEEDING = [FOLDER / "demo.py", *(FOLDER / "evm").glob("*.py")]
"""An EVM chain's addresses and calls are hashes of its own kind, from their first line on."""
OTHERS = sorted(set(FOLDER.rglob("*.py")) - set(NEEDING))


def imported(node):
    """What the module imports when it is imported itself: not what a function needs."""
    for one in ast.iter_child_nodes(node):
        if isinstance(one, ast.Import):
            yield from (name.name for name in one.names)
        elif isinstance(one, ast.ImportFrom):
            yield one.module or ""
            yield from (f"{one.module}.{name.name}" for name in one.names)
        elif not isinstance(one, ast.FunctionDef | ast.Lambda):
            yield from imported(one)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_needs_its_extra_only_when_it_is_used(path):
    names = set(imported(ast.parse(path.read_text())))
    assert not {name.partition(".")[0] for name in names} & EXTRA
    needing = ("openoutcry.custody.evm", "openoutcry.custody.demo")
    assert [name for name in names if name.startswith(needing)] == []
