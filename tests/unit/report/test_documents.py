"""report/documents.py: marked places are filled, and nothing else is touched."""

from openoutcry.report.documents import fill, table

PAGE = """before
<!-- evidence: one-a -->
old
<!-- end -->
between <!-- other: x -->
kept
<!-- end -->
<!-- evidence: two_b -->
<!-- end -->
after
"""


def test_each_place_of_its_kind_gets_its_content_and_the_rest_stays():
    """Places of another kind are somebody else's; a place that was empty is filled too."""
    filled = fill(PAGE, "evidence", lambda name: f"new {name}\n")
    assert filled == PAGE.replace("old\n", "new one-a\n").replace(
        "two_b -->\n", "two_b -->\nnew two_b\n"
    )


def test_filling_again_changes_nothing():
    once = fill(PAGE, "evidence", str.upper)
    assert fill(once, "evidence", str.upper) == once


def test_a_table_has_a_rule_as_wide_as_its_header():
    assert table("| a | b |", [("1", "2"), ("3", "4")]) == (
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"
    )
    assert table("| a |", []) == "| a |\n|---|\n"
