"""wire/layout_hash.py: two parties with other layouts refuse each other, and say who is older."""

import json

import pytest

from openoutcry.wire import layout_hash, records
from openoutcry.wire.layout_hash import LAYOUT_HASH, LAYOUT_VERSION, LayoutMismatch, check_layout


def test_history_ends_with_this_layout():
    """A change to a record has to be entered in the history, or nothing could be called older."""
    history = layout_hash.layout_history()
    assert history[-1] == f"{LAYOUT_HASH:016x}", "run python -m openoutcry.wire.generate"
    assert len(set(history)) == len(history) == LAYOUT_VERSION


def test_the_same_layout_passes():
    """Nothing is raised for this build's own hash."""
    assert check_layout(LAYOUT_HASH, "here") is None


def test_an_older_layout_is_called_older(tmp_path, monkeypatch):
    """A hash from the history names its number and this program's, and the place it was in."""
    path = tmp_path / "history.json"
    path.write_text(json.dumps(["00000000000000aa", "00000000000000bb", f"{LAYOUT_HASH:016x}"]))
    monkeypatch.setattr(layout_hash, "HISTORY_PATH", path)
    with pytest.raises(LayoutMismatch) as caught:
        check_layout(0xBB, "/data/journal/0001")
    assert str(caught.value) == (
        "/data/journal/0001 was written with layout 00000000000000bb: "
        "it is older (layout 2, this program has 3)"
    )


def test_an_unknown_layout_is_called_newer_or_foreign():
    """A hash that the history does not hold cannot be from an older release."""
    with pytest.raises(LayoutMismatch, match=r"ring x was .* newer than this program .* or not of"):
        check_layout(LAYOUT_HASH ^ 1, "ring x")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("MAGICS", {**records.MAGICS, "RING_MAGIC": 1}), "a magic"),
        (("RECORDS", records.RECORDS[:-1]), "a record left out"),
        (
            (
                "RECORDS",
                (
                    records.Record("r", 8, "", (records.Field("a", "u64", ""),)),
                    *records.RECORDS[1:],
                ),
            ),
            "a record of other fields",
        ),
        (("ENUMS", layout_hash.ENUMS[1:]), "an enumeration left out"),
    ],
)
def test_every_declaration_is_in_the_hash(monkeypatch, change, what):
    """Whatever two parties must agree on changes the text that is hashed."""
    before = layout_hash.layout_text()
    monkeypatch.setattr(layout_hash, *change)
    assert layout_hash.layout_text() != before, what


def test_wording_is_not_in_the_hash(monkeypatch):
    """Better documentation of a field does not part two builds."""
    order = records.ORDER
    reworded = tuple(records.Field(f.name, f.ctype, "other words") for f in order.fields)
    told_otherwise = records.Record(order.name, order.size_bytes, "other words", reworded)
    before = layout_hash.layout_text()
    monkeypatch.setattr(layout_hash, "RECORDS", (told_otherwise, *records.RECORDS[1:]))
    assert layout_hash.layout_text() == before
