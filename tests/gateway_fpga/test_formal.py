"""The proofs: that the table is whole, and that a part of it holds; `make fpga-formal` runs all."""

import re

import pytest

from openoutcry.gateway_fpga.formal.modules import MODULES
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.formal.run import FOLDER, RTL, caught, prove
from openoutcry.gateway_fpga.tools.evidence import read_evidence

SMALL = {
    "outcry_skid": (),
    "outcry_packet_fifo": pytest.mark.long,
    "outcry_timestamp": pytest.mark.long,
    "outcry_udp_parser_data": pytest.mark.long,
}
"""Proofs of seconds; the three that take the most of them are run with the long ones."""
QUICK = [pytest.param(name, marks=marks) for name, marks in SMALL.items()]
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
def test_what_is_broken_stands_in_the_rtl_once(claim):
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


@pytest.mark.parametrize("module", QUICK)
def test_quick_proofs_hold(module):
    """All properties of the small modules, by k-induction."""
    proved, log, _ = prove(MODULES[module])
    assert proved, log[-2000:]


@pytest.mark.parametrize("module", QUICK)
def test_a_proof_notices_a_broken_module(module):
    """The first property of each fails on its broken variant, and by its own assertion."""
    claim = next(claim for claim in PROPERTIES if claim.module == module)
    noticed, log = caught(MODULES[module], claim)
    assert noticed, log[-2000:]


@pytest.mark.long
@pytest.mark.parametrize("module", [name for name in MODULES if name not in SMALL])
def test_all_proofs_hold(module):
    """All properties of the large modules, by k-induction."""
    apart = [claim.name for claim in PROPERTIES if claim.module == module]
    for only in apart if MODULES[module].apart else [None]:
        proved, log, _ = prove(MODULES[module], only)
        assert proved, f"{only or module}: {log[-2000:]}"
