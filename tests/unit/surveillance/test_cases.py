"""Cases from hits; evidence that cannot be changed unseen; a life that takes four eyes to end."""

import json

import numpy as np
import pytest

from openoutcry.surveillance.cases import GAP_NS, Case, Folding, fold
from openoutcry.surveillance.detect.layout import HIT_DTYPE, Detector
from openoutcry.surveillance.evidence import ROW_BYTES, EvidenceFile, beginning, read_hits
from openoutcry.surveillance.life import act, case_state_of, read_life
from openoutcry.wire.errors import SurveillanceError

BEGIN = beginning(7, "settings")
NOON_NS = 1_700_000_000 * 10**9


def hit(number: int, ts_ns: int, who: tuple[int, ...] = (3,), detector: int = 1) -> np.ndarray:
    row = np.zeros(1, HIT_DTYPE)
    row["number"], row["ts_ns"], row["first_ns"] = number, ts_ns, ts_ns - 10**9
    row["detector"], row["members"], row["score"] = detector, len(who), 50
    row["participants"][0, : len(who)] = who
    row["seq"], row["evidence"][0, 0] = number * 10, number * 10 - 5
    return row


def folded(*rows: np.ndarray) -> list[Case]:
    hits = np.concatenate(rows)
    return fold(hits, ["AA"], [f"{n:02x}" for n in range(len(hits))])


def test_hits_of_one_pattern_participants_and_window_are_one_case() -> None:
    a = hit(1, NOON_NS)
    near, far = hit(2, NOON_NS + GAP_NS), hit(3, NOON_NS + 2 * GAP_NS + 1)
    cases = folded(a, near, far)
    assert [(case.hits, case.score, case.evidence) for case in cases] == [
        (2, 51, [5, 10, 15, 20]),
        (1, 50, [25, 30]),
    ]
    assert cases[0].severity == "medium"
    assert cases[0].head == "01"


def test_another_pattern_or_another_participant_is_another_case() -> None:
    rows = hit(1, NOON_NS), hit(2, NOON_NS, (4,)), hit(3, NOON_NS, detector=2), hit(4, NOON_NS)
    assert [case.hits for case in folded(*rows)] == [2, 1, 1]
    ring = hit(1, NOON_NS, (3, 4, 5), 6), hit(2, NOON_NS, (5, 3, 4), 6)
    (case,) = folded(*ring)
    assert (case.participants, case.detector) == ((3, 4, 5), "wash_ring")


def test_evidence_is_appended_once_and_a_change_is_found(tmp_path) -> None:
    """What is made again behind a kill has to be what stands there; a torn end is made again."""
    rows = [hit(n, NOON_NS + n) for n in (1, 2, 3)]
    file = EvidenceFile(tmp_path, BEGIN)
    for row in rows:
        file.add(row)
    file.close()
    whole = file.path.read_bytes()
    with file.path.open("ab") as torn:
        torn.write(whole[:50])
    again = EvidenceFile(tmp_path, BEGIN)
    again.go_on(1, whole[ROW_BYTES - 32 : ROW_BYTES])
    for row in rows[1:]:
        again.add(row)
    again.close()
    assert file.path.read_bytes() == whole
    hits, heads = read_hits(tmp_path, BEGIN)
    assert hits["number"].tolist() == [1, 2, 3]
    assert len(set(heads)) == 3
    other = EvidenceFile(tmp_path, BEGIN)
    with pytest.raises(SurveillanceError, match="hit 1 differs"):
        other.add(rows[1])
    other.close()
    for at in range(0, len(whole), 37):
        file.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(SurveillanceError, match=f"hit {at // ROW_BYTES + 1} was changed"):
            read_hits(tmp_path, BEGIN)


def test_hits_that_came_since_are_read_alone(tmp_path) -> None:
    """Cases told on and on are those of all hits at once; a change of what was read is not looked
    at again, one behind it is found."""
    rows = [hit(n, NOON_NS + n) for n in (1, 2, 3)]
    file, folding, head = EvidenceFile(tmp_path, BEGIN), Folding(["AA"]), BEGIN
    for known, row in enumerate(rows):
        file.add(row)
        hits, heads = read_hits(tmp_path, head, known)
        assert hits["number"].tolist() == [known + 1]
        folding.add(hits, heads)
        head = bytes.fromhex(heads[-1])
    file.close()
    hits, heads = read_hits(tmp_path, BEGIN)
    assert folding.cases == fold(hits, ["AA"], heads)
    with pytest.raises(SurveillanceError, match="hit 2 was changed"):
        read_hits(tmp_path, BEGIN, 1)


def test_a_file_cut_at_any_byte_is_whole_again(tmp_path) -> None:
    """Every length of the file: whole hits before the cut are kept, the others written again."""
    rows = [hit(n, NOON_NS + n) for n in (1, 2, 3)]
    file = EvidenceFile(tmp_path, BEGIN)
    file.add(np.concatenate(rows))
    file.close()
    whole = file.path.read_bytes()
    for length in range(len(whole) + 1):
        file.path.write_bytes(whole[:length])
        again = EvidenceFile(tmp_path, BEGIN)
        assert again.known == length // ROW_BYTES
        for row in rows:
            again.add(row)
        again.close()
        assert file.path.read_bytes() == whole


@pytest.fixture
def case() -> Case:
    (folded_case,) = folded(hit(1, NOON_NS))
    return folded_case


def status(case: Case, folder) -> str:
    return case_state_of(case, read_life(folder, BEGIN)).status


def test_a_case_is_closed_by_two_and_opened_by_new_hits(tmp_path, case) -> None:
    assert status(case, tmp_path) == "open"
    act(tmp_path, BEGIN, case, "review", "anna", "looked at")
    act(tmp_path, BEGIN, case, "escalate", "anna", "to the regulator")
    assert status(case, tmp_path) == "escalated"
    assert act(tmp_path, BEGIN, case, "close", "anna", "explained").status == "closing"
    with pytest.raises(SurveillanceError, match="another person has to agree"):
        act(tmp_path, BEGIN, case, "close", "anna", "explained")
    assert act(tmp_path, BEGIN, case, "close", "bert", "agreed").status == "closed"
    with pytest.raises(SurveillanceError, match="reopen it first"):
        act(tmp_path, BEGIN, case, "review", "bert", "again")
    case.hits += 1
    assert status(case, tmp_path) == "open"
    # Who asked before the last hit came has to ask again.
    assert act(tmp_path, BEGIN, case, "close", "bert", "again").status == "closing"
    case.hits += 1
    assert act(tmp_path, BEGIN, case, "close", "anna", "agreed").status == "closing"


def test_a_life_is_appended_to_and_a_change_is_found(tmp_path, case) -> None:
    with pytest.raises(SurveillanceError, match="a reason is needed"):
        act(tmp_path, BEGIN, case, "review", "anna", " ")
    for number in range(3):
        act(tmp_path, BEGIN, case, "review", "anna", f"look {number}")
    path = tmp_path / "life.jsonl"
    lines = path.read_text().splitlines()
    assert [json.loads(line)["why"] for line in lines] == ["look 0", "look 1", "look 2"]
    for number in range(3):
        changed = [*lines]
        changed[number] = changed[number].replace("anna", "bert")
        path.write_text("\n".join(changed) + "\n")
        with pytest.raises(SurveillanceError, match=f"line {number + 1} was changed"):
            read_life(tmp_path, BEGIN)
    path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(SurveillanceError, match="line 2 was changed"):
        read_life(tmp_path, BEGIN)


def test_every_byte_of_a_life_counts(tmp_path, case) -> None:
    """Also those that mean nothing to JSON, and those that are no text."""
    for who in ("anna", "bert"):
        act(tmp_path, BEGIN, case, "review", who, "looked at")
    path = tmp_path / "life.jsonl"
    data = path.read_bytes()
    assert len(read_life(tmp_path, BEGIN)) == 2
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
        with pytest.raises(SurveillanceError, match="was changed"):
            read_life(tmp_path, BEGIN)
    twice = data.replace(b'"who": "bert"', b'"who": "carl", "who": "bert"')
    for other in (data[:-1], data + b"\n", data.replace(b": ", b":  "), twice):
        path.write_bytes(other)
        with pytest.raises(SurveillanceError, match="was changed"):
            read_life(tmp_path, BEGIN)


def test_an_entry_for_which_there_is_no_room_leaves_nothing(tmp_path, case) -> None:
    import resource

    act(tmp_path, BEGIN, case, "review", "anna", "looked at")
    path = tmp_path / "life.jsonl"
    data = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) + 10, limits[1]))
    try:
        with pytest.raises(SurveillanceError, match="nothing was written"):
            act(tmp_path, BEGIN, case, "review", "bert", "looked at")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == data
    assert act(tmp_path, BEGIN, case, "review", "bert", "looked at").who == "bert"


def test_every_detector_has_a_definition() -> None:
    from openoutcry.surveillance.definitions import DEFINITIONS

    assert list(DEFINITIONS) == [one.name.lower() for one in Detector]


CANCELS, RATIO = int(Detector.EXCESSIVE_CANCELS), int(Detector.ORDER_TO_TRADE)
MAKERS = [[[3, 4], ["AA"], "agreement 7"], [[5], [], "agreement 8"]]


def counted(*rows: np.ndarray, makers: list[list[object]] | None = None) -> list[Case]:
    hits = np.concatenate(rows)
    heads = [f"{n:02x}" for n in range(len(hits))]
    return fold(hits, ["AA", "BB"], heads, makers or [])


def in_symbol(row: np.ndarray, instrument: int, score: int = 50) -> np.ndarray:
    row["instrument"], row["score"] = instrument, score
    return row


def test_counts_of_messages_are_one_case_a_day_and_participant() -> None:
    """Whatever the symbol, the detector and the time between; and never of high severity."""
    apart = GAP_NS * 3 // 2
    rows = [
        in_symbol(hit(1, NOON_NS, detector=CANCELS), 0, 98),
        in_symbol(hit(2, NOON_NS + apart, detector=CANCELS), 0, 100),
        in_symbol(hit(3, NOON_NS + 2 * apart, detector=RATIO), 1, 40),
        in_symbol(hit(4, NOON_NS + 86_400 * 10**9, detector=CANCELS), 0, 95),
    ]
    cases = counted(*rows, in_symbol(hit(5, NOON_NS, (4,), CANCELS), 0, 95))
    assert [(case.participants, case.hits, case.also, case.severity) for case in cases] == [
        ((3,), 3, ["order_to_trade BB"], "medium"),
        ((3,), 1, [], "medium"),
        ((4,), 1, [], "medium"),
    ]
    (other,) = counted(in_symbol(hit(1, NOON_NS, detector=int(Detector.SPOOFING)), 0, 98))
    assert other.severity == "high"


def test_counts_of_registered_market_makers_are_suppressed_with_the_reason() -> None:
    def one(who: tuple[int, ...], instrument: int, detector: int = CANCELS) -> Case:
        (case,) = counted(in_symbol(hit(1, NOON_NS, who, detector), instrument, 98), makers=MAKERS)
        return case

    assert one((3,), 0).suppressed == "registered market maker: agreement 7"
    assert one((3,), 0).severity == "low"
    assert case_state_of(one((3,), 0), []).status == "suppressed"
    assert one((5,), 1).suppressed == "registered market maker: agreement 8"
    # Of another symbol, of another participant, and a pattern are cases as ever.
    for case in (one((3,), 1), one((6,), 0), one((3, 6), 0), one((3,), 0, 1)):
        assert case.suppressed == ""
        assert case_state_of(case, []).status == "open"
    # What is beyond its registration opens the whole case.
    rows = [in_symbol(hit(n, NOON_NS + n, (3,), CANCELS), n - 1, 98) for n in (1, 2)]
    (case,) = counted(*rows, makers=MAKERS)
    assert (case.hits, case.suppressed) == (2, "")
