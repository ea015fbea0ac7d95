"""``python -m tests.support.custody.compile_contracts``: write
custody/evm/contracts/compiled.json."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from openoutcry import PACKAGE

SOURCES = PACKAGE / "custody" / "evm" / "contracts"
COMPILED = SOURCES / "compiled.json"
NAMES = ("deposit", "deposits", "token", "wallet")
FOR_TESTS = Path(__file__).parent / "contracts"


def compile_source(source: str) -> dict[str, Any]:
    """Bytecode and ABI, and where in the bytecode the code is that stays on the chain."""
    import vyper.compiler

    formats = ["bytecode", "bytecode_runtime", "abi"]
    made = vyper.compiler.compile_code(source, output_formats=formats)
    whole, kept = (made[name].removeprefix("0x") for name in formats[:2])
    assert whole.count(kept) == 1
    place = [whole.index(kept) // 2, len(kept) // 2]
    return {"bytecode": made["bytecode"], "runtime_at": place, "abi": made["abi"]}


def compiled() -> dict[str, Any]:
    """The content of the file."""
    import vyper

    contracts = {}
    for name in NAMES:
        source = (SOURCES / f"{name}.vy").read_text()
        made = compile_source(source)
        digest = hashlib.sha256(source.encode()).hexdigest()
        contracts[name] = {"source_sha256": digest, **made}
    return {
        "made_by": "python -m tests.support.custody.compile_contracts",
        "compiler": f"vyper {vyper.__version__}",
        "contracts": contracts,
    }


def helper_code(name: str) -> bytes:
    """Creation code of a contract that only tests use.  Skips the test without the compiler."""
    pytest.importorskip("vyper", reason="the contracts' compiler is not installed")
    made = compile_source((FOR_TESTS / f"{name}.vy").read_text())
    return bytes.fromhex(made["bytecode"].removeprefix("0x"))


def text() -> str:
    return json.dumps(compiled(), indent=1) + "\n"


if __name__ == "__main__":
    COMPILED.write_text(text())
    print(COMPILED)
