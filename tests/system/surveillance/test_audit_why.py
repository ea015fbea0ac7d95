"""Why an order did not trade: scenarios, each with its one right answer."""

from openoutcry.surveillance.audit.build import folder_of
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.audit.why import why


def test_a_limit_of_risk_is_named_with_its_figures(audited):
    trail = Trail(folder_of(audited))
    tables = [table for day in sorted({k.day for k in trail.links}) for table in trail.day(day)]
    rows = [row for table in tables for row in table.to_pylist()]
    refused = next(
        row
        for row in rows
        if row["reason"] == "RISK" and row["action"] == "REJECT" and row["command"] == "NEW"
    )
    answer = why(audited, refused["order_id"], refused["symbol"], refused["entry_seq"])
    assert (answer.cause, answer.facts["reason"]) == ("REJECTED", "RISK")
    assert refused["risk_result"].removeprefix("REFUSED ") in answer.lines[0]
