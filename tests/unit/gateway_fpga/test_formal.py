"""The proofs: that the table is whole, and that a part of it holds; `make fpga-formal` runs all."""

import re

import pytest

from openoutcry.gateway_fpga.formal import run
from openoutcry.gateway_fpga.formal.modules import MODULES
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.formal.run import FOLDER, RTL
from openoutcry.gateway_fpga.tools.evidence import read_evidence

ASSERTION = re.compile(r"\b(\w+):\s*assert")


def labels(module):
    text = (FOLDER / f"{MODULES[module].module}_formal.vh").read_text()
    return {label for label in ASSERTION.findall(text) if not label.startswith("f_")}


def test_every_assertion_is_in_the_table_and_the_other_way_round():
    """No property is proved that the table does not explain, none is listed that is not proved."""
    listed = {claim.name for claim in PROPERTIES}
    assert len(listed) == len(PROPERTIES) >= 20
    assert listed == set().union(*(labels(module) for module in MODULES))


@pytest.mark.parametrize("claim", PROPERTIES, ids=lambda claim: claim.name)
def test_what_is_broken_is_in_the_rtl_once(claim):
    """Each broken variant changes exactly one place of the RTL as it is."""
    name = claim.file or MODULES[claim.module].module
    assert (RTL / f"{name}.v").read_text().count(claim.broken[0]) == 1
    assert claim.broken[0] != claim.broken[1]


def test_the_evidence_is_of_the_properties_in_the_table():
    """Every property that docs/fpga.md calls proved is one of the table, in its very words."""
    rows = read_evidence().get("proofs", {}).get("figures", {"properties": []})["properties"]
    table = {claim.name: (claim.module, claim.sentence) for claim in PROPERTIES}
    assert {row["name"]: (row["module"], row["sentence"]) for row in rows}.items() <= table.items()
    assert all(row["proved"] and row["caught"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "kept"), [([], True), (["outcry_skid"], False), (["--keep", "outcry_skid"], True)]
)
def test_a_part_of_the_proofs_leaves_the_evidence_alone(arguments, kept, monkeypatch, capsys):
    """``docs/evidence/fpga.json`` is tracked: a run of one property has not proved the
    others, and writes only when asked to."""
    written = []
    claims = PROPERTIES if not arguments else [c for c in PROPERTIES if c.module == "outcry_skid"]
    outcomes = [run.Outcome(c.name, c.module, c.sentence, True, True, 1, 0.1) for c in claims]
    monkeypatch.setattr(run, "run", lambda chosen: iter(outcomes))
    monkeypatch.setattr(run, "keep", written.append)
    assert run.main(arguments) == 0
    assert written == (outcomes if kept else [])
    assert f"{len(claims)} of {len(claims)} properties proved" in capsys.readouterr().out
