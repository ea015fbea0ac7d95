"""Mutants of the wallet's contract, and whether the checks find each.

    python -m tests.support.custody.mutate_wallet --progress mutants.jsonl

A mutant is the source with one place changed.  One that the compiler refuses, or that compiles
to the same code, does not count.  The run can be stopped and continued.  The result is in
docs/evidence/custody.json."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.support.custody.anvil import Anvil, anvil
from tests.support.custody.compile_contracts import SOURCES, compile_source
from tests.support.custody.wallet_checks import CHECKS, World

EVIDENCE = ROOT / "docs" / "evidence" / "custody.json"
REPLACED = [
    # comparisons and logic
    (r" == ", [" != "]),
    (r" != ", [" == "]),
    (r" <= ", [" < ", " >= "]),
    (r" >= ", [" > ", " <= "]),
    (r" > ", [" >= ", " < "]),
    (r"(?<!for) not in ", [" in "]),
    (r"\bassert (.*) in self\.owners", [r"assert \1 not in self.owners"]),
    (r" and ", [" or "]),
    (r" or ", [" and "]),
    (r"\bnot (?=payment|success)", [""]),
    (r"\bTrue\b", ["False"]),
    (r"\bFalse\b", ["True"]),
    # arithmetic and numbers
    (r" \+ 1\b", [" + 2", ""]),
    (r" \+= 1\b", [" += 2", " -= 1"]),
    (r" - msg\.gas // 64", ["", " - msg.gas // 8"]),
    (r" \+ CALL_GAS", ["", " + CALL_GAS * 2", " + CALL_GAS // 2"]),
    (r"\(COIN_GAS\)", ["(0)", "(TOKEN_GAS)"]),
    (r"\(TOKEN_GAS\)", ["(0)", "(COIN_GAS)", "(TOKEN_GAS * 2)"]),
    (r"gas=COIN_GAS", ["gas=TOKEN_GAS", "gas=COIN_GAS - 5_000", "gas=msg.gas"]),
    (r"gas=TOKEN_GAS", ["gas=COIN_GAS", "gas=TOKEN_GAS * 2", "gas=msg.gas"]),
    (r"(?<=MAX_S: constant\(uint256\) = )(\d+)(?=8$)", [r"\g<1>7", r"\g<1>9"]),
    (r"(?<== )200$", ["199", "201"]),
    (r", 64, 32 \* len", [", 32, 32 * len", ", 64, 31 * len", ", 0, 32 * len"]),
    # what is signed
    (r"chain\.id, self", ["0, self", "chain.id, msg.sender", "chain.id, empty(address)"]),
    (r"DOMAIN_TYPE, NAME, VERSION", ["NAME, DOMAIN_TYPE, VERSION", "DOMAIN_TYPE, VERSION, NAME"]),
    (r'b"\\x19\\x01"', [r'b"\\x19\\x00"']),
    (
        r"PAYMENT_TYPE, payment\.token, payment\.to, payment\.amount",
        [
            "PAYMENT_TYPE, payment.to, payment.to, payment.amount",
            "PAYMENT_TYPE, payment.token, payment.token, payment.amount",
            "PAYMENT_TYPE, payment.token, payment.to, empty(uint256)",
            "BATCH_TYPE, payment.token, payment.to, payment.amount",
        ],
    ),
    (
        r"BATCH_TYPE, number, deadline, listed",
        [
            "BATCH_TYPE, deadline, deadline, listed",
            "BATCH_TYPE, number, number, listed",
            "BATCH_TYPE, number, deadline, empty(bytes32)",
            "REPLACE_TYPE, number, deadline, listed",
        ],
    ),
    (
        r"REPLACE_TYPE, number, deadline, old, new",
        [
            "REPLACE_TYPE, deadline, deadline, old, new",
            "REPLACE_TYPE, number, number, old, new",
            "REPLACE_TYPE, number, deadline, new, new",
            "REPLACE_TYPE, number, deadline, old, old",
            "BATCH_TYPE, number, deadline, old, new",
        ],
    ),
    (r'keccak256\("(\w)', [r'keccak256("X\1']),
    # who signs
    (
        r"signature\.v, signature\.r, signature\.s",
        [
            "27, signature.r, signature.s",
            "28, signature.r, signature.s",
            "signature.v, signature.s, signature.r",
        ],
    ),
    (r"ecrecover\(digest", ["ecrecover(keccak256(digest)"]),
    (r"address\[OWNERS\] *$", ["address[OWNERS]"]),
    # what is done
    (r"^(\s+)(?:assert|log|self\.\w+(?:\[\w+\])?|last|found|failed)\b(?!:).*$", [r"\1pass"]),
    (r"^(\s+)self\._(?:check|require_gas)\(.*$", [r"\1pass"]),
    (r"@nonreentrant\n", ["\n"]),
    (r"@payable\n", ["\n"]),
    (r"value=payment\.amount", ["value=0", "value=self.balance"]),
    (r"raw_call\(payment\.to", ["raw_call(msg.sender"]),
    (
        r"abi_encode\(payment\.to, payment\.amount",
        [
            "abi_encode(msg.sender, payment.amount",
            "abi_encode(payment.to, empty(uint256)",
        ],
    ),
    (r"transfer\(address,uint256\)", ["transferFrom(address,uint256)"]),
    (r"max_outsize=32", ["max_outsize=31", "max_outsize=0"]),
    (r"convert\(answer, uint256\) == 1", ["True", "convert(answer, uint256) != 0"]),
    (r"len\(answer\) == 0 or ", [""]),
    (r"index=index", ["index=0"]),
    (r"number=number", ["number=0", "number=number + 1"]),
    (r"token=payment\.token", ["token=payment.to"]),
    (r"to=payment\.to\b", ["to=payment.token"]),
    (r"amount=(?:payment\.amount|msg\.value)", ["amount=0"]),
    (r"digest=digest", ["digest=empty(bytes32)"]),
    (r"failed=failed", ["failed=0"]),
    (r"sender=msg\.sender", ["sender=self"]),
    (r"old=old, new=new", ["old=new, new=new", "old=old, new=old"]),
]
GUARD = 'assert msg.gas - msg.gas // 64 >= wanted + CALL_GAS, "gas: too little"'
EQUIVALENT: dict[str, str] = {
    "success: bool = False -> success: bool = True": "the call's result comes in its place",
    f"{GUARD} -> {GUARD.replace('>=', '>')}": "one unit of gas of a reserve of 60,000",
    f"{GUARD} -> {GUARD.replace('CALL_GAS', 'CALL_GAS // 2')}": (
        "a call to a receiver with code costs 11,600: half of the reserve covers that"
    ),
    f"{GUARD} -> {GUARD.replace(' - msg.gas // 64', '')}": (
        "the reserve covers the 64th that a call leaves behind: 36,600 of it is the call's cost"
    ),
}
"""Mutants that no check can tell from the contract, and why: by line and change."""


@dataclass(frozen=True)
class Mutant:
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.before.strip()} -> {self.after.strip() or '(nothing)'}"


def code_places(source: str) -> Iterator[tuple[int, str]]:
    """Where each line of code begins, without documentation and comments."""
    place, inside = 0, False
    for line in source.splitlines(keepends=True):
        quotes = line.count('"""')
        if not inside and not quotes and not line.lstrip().startswith("#"):
            yield place, line
        inside ^= quotes % 2 == 1
        place += len(line)


def mutants(source: str) -> list[Mutant]:
    found: dict[str, Mutant] = {}
    for place, line in code_places(source):
        for pattern, replacements in REPLACED:
            for match in re.finditer(pattern, line):
                for replacement in replacements:
                    changed = (
                        line[: match.start()] + match.expand(replacement) + line[match.end() :]
                    )
                    if changed.rstrip("\n") == line.rstrip("\n"):
                        continue
                    if not changed.endswith("\n"):
                        changed += "\n"
                    mutated = source[:place] + changed + source[place + len(line) :]
                    number = source[:place].count("\n") + 1
                    found.setdefault(mutated, Mutant(number, line, changed, mutated))
    return list(found.values())


def killed_by(chain: Anvil, code: bytes, order: list[str]) -> str | None:
    """The first check that fails."""
    for name in order:
        try:
            with chain.undone():
                CHECKS[name](World(chain, code))
        except Exception as error:
            if not isinstance(error, AssertionError):
                return f"{name} ({type(error).__name__})"
            return name
    return None


def judge(chain: Anvil, mutant: Mutant, original: str, order: list[str]) -> str:
    """ "invalid", "same", "survives", or the check that found it."""
    try:
        code = str(compile_source(mutant.source)["bytecode"])
    except Exception:
        return "invalid"
    if code == original:
        return "same"
    return killed_by(chain, bytes.fromhex(code.removeprefix("0x")), order) or "survives"


def run(progress: Path) -> dict[str, str]:
    """The verdict on each mutant; those in the progress file are not judged again."""
    source = (SOURCES / "wallet.vy").read_text()
    original = str(compile_source(source)["bytecode"])
    verdicts: dict[str, str] = {}
    if progress.exists():
        rows = (json.loads(line) for line in progress.read_text().splitlines())
        verdicts = {row["mutant"]: row["verdict"] for row in rows}
    order, kills = list(CHECKS), Counter(one.split(" ")[0] for one in verdicts.values())
    order.sort(key=lambda one: -kills[one])
    with anvil() as chain, progress.open("a") as out:
        assert killed_by(chain, bytes.fromhex(original.removeprefix("0x")), order) is None
        for mutant in mutants(source):
            name = f"{mutant.line}: {mutant.name}"
            if name in verdicts:
                continue
            verdicts[name] = judge(chain, mutant, original, order)
            print(json.dumps({"mutant": name, "verdict": verdicts[name]}), file=out, flush=True)
            kills[verdicts[name].split(" ")[0]] += 1
            order.sort(key=lambda one: -kills[one])
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--progress", type=Path, required=True)
    verdicts = run(parser.parse_args().progress)
    counts = Counter(verdicts.values())
    survivors = {name for name, verdict in verdicts.items() if verdict == "survives"}
    equivalent = {name for name in survivors if name.partition(": ")[2] in EQUIVALENT}
    counted = len(verdicts) - counts["invalid"] - counts["same"] - len(equivalent)
    result = {
        "mutants": counted,
        "killed": counted - len(survivors - equivalent),
        "survivors": sorted(survivors - equivalent),
        "equivalent": {name: EQUIVALENT[name.partition(": ")[2]] for name in sorted(equivalent)},
        "refused_by_the_compiler": counts["invalid"],
        "same_code": counts["same"],
    }
    content = json.loads(EVIDENCE.read_text()) if EVIDENCE.exists() else {}
    EVIDENCE.write_text(json.dumps(content | {"wallet_mutants": result}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return int(bool(survivors - equivalent))


if __name__ == "__main__":
    sys.exit(main())
