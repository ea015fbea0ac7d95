"""bench/results.py: one shape, honest errors, and no file that a reader stumbles over."""

import json

import pytest

from openoutcry.bench.results import (
    ResultError,
    document,
    missing,
    read_document,
    summarise,
    write_document,
)
from openoutcry.host.commit import commit
from openoutcry.report import evidence
from tests.support.bench.results import OURS, PEER


def sample_document() -> dict:
    one = summarise("round trip", "ns", "lower", OURS, {"boost": PEER})
    return document("ring", [one], [missing("far", "one core only")], "outcry bench ring")


def test_a_document_says_where_it_comes_from():
    """Host, commit and command stand beside the figures."""
    sample = sample_document()
    assert sample["host"]["cores_online"] >= 1
    assert sample["command"] == "outcry bench ring"
    assert sample["missing"] == [{"name": "far", "why": "one core only"}]
    assert sample["commit"] == commit()


def test_what_is_written_is_read_back(tmp_path):
    """A document survives the disk unchanged, and its folder holds nothing else afterwards."""
    sample = sample_document()
    write_document(sample, tmp_path / "ring.json")
    assert read_document(tmp_path / "ring.json") == sample
    assert [p.name for p in tmp_path.iterdir()] == ["ring.json"]


def test_a_bad_document_is_not_written(tmp_path):
    """The check comes before the file, so that the one that stood there stays."""
    path = tmp_path / "ring.json"
    write_document(sample_document(), path)
    before = path.read_bytes()
    spoilt = sample_document()
    spoilt["results"][0]["median"] = float("inf")
    with pytest.raises(ResultError, match=r"results\[0\]: median is inf, not a number"):
        write_document(spoilt, path)
    assert path.read_bytes() == before


def spoil(*keys, value):
    """A change to a document: set what stands at ``keys``, or delete it when value is ``None``."""

    def change(sample):
        holder = sample
        for key in keys[:-1]:
            holder = holder[key]
        if value is None:
            del holder[keys[-1]]
        else:
            holder[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("shape", value=2), "a newer shape: 2, and this program reads 1"),
        (spoil("shape", value=None), "another shape: None"),
        (spoil("subject", value=None), "not a bench document"),
        (spoil("host", value=None), "no host"),
        (spoil("missing", 0, "why", value=None), r"missing\[0\]: no why"),
        (spoil("results", 0, value=7), r"results\[0\] is not a JSON object"),
        (spoil("results", 0, "unit", value="parsec"), "unit 'parsec'"),
        (spoil("results", 0, "samples", value=0), "samples is 0"),
        (spoil("results", 0, "spread", value=[2, 1]), "low is above high"),
        (spoil("results", 0, "spread", value=[2]), "not \\[low, high\\]"),
        (spoil("results", 0, "against", "boost", "ratio", value="x"), "against boost: ratio"),
        (spoil("results", 0, "against", "boost", "interval", value=None), "boost: no interval"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_name_and_place(tmp_path, change, message):
    """The error names the file and the key that is wrong."""
    path = tmp_path / "other.json"
    sample = sample_document()
    change(sample)
    path.write_text(json.dumps(sample))
    with pytest.raises(ResultError, match=message) as caught:
        read_document(path)
    assert str(path) in str(caught.value)


def test_a_document_is_kept_as_evidence_without_its_pictures(tmp_path, monkeypatch):
    """Figures, reasons, host, commit and command stay as they were measured; details do not."""
    monkeypatch.setattr(evidence, "EVIDENCE", tmp_path / "evidence")
    row = summarise("x", "ns", "lower", [1.0, 2.0, 3.0])
    ring_document = document(
        "ring", [row], [missing("y", "no disk")], "outcry bench ring", details={"m": 1}
    )
    ring_document["date"], ring_document["commit"] = "2020-02-03T04:05:06+00:00", "abc"
    evidence.keep_document(ring_document)
    kept = evidence.read_evidence("ring")
    assert kept["figures"] == {"results": [row], "missing": [{"name": "y", "why": "no disk"}]}
    assert (kept["date"], kept["commit"]) == ("2020-02-03", "abc")
    assert (kept["host"], kept["command"]) == (ring_document["host"], "outcry bench ring")
    assert "details" not in kept
    ring_document["partial"] = "interrupted in round 2 of 7"
    with pytest.raises(evidence.EvidenceError, match="interrupted in round 2"):
        evidence.keep_document(ring_document)
