"""LOBSTER: written as a plain reference writes it, and read back to the same records."""

import random

import pytest

from openoutcry.tape.convert import Reading, convert, info, open_tape, write_tape
from openoutcry.wire.errors import FlowError
from tests.support.flow.recordings import DATA, needs
from tests.support.tape.market import MemoryTape, drawn, header, lobster_of, read, records_of

SHORT = DATA / "lobster_aapl_short" / "messages.csv"
HOUR = DATA / "lobster_aapl_hour" / "messages.csv"


@pytest.mark.parametrize("seed", range(4))
def test_a_random_market_is_written_as_the_reference_does(seed, tmp_path):
    ops, _ = drawn(seed, 1_000, instruments=1)
    cuts = sorted(random.Random(seed).sample(range(1, 1_000), 9))
    tape = MemoryTape(header(instruments=1), records_of(ops), cuts)
    out = tmp_path / "a.csv"
    done = write_tape(tape, out, "lobster", allowed=["all"])
    assert out.read_text() == lobster_of(ops)
    replaced = sum(op.what == "replace" for op in ops)
    counts = {loss["name"]: loss["count"] for loss in done["losses"]}
    executed = sum(2 for op in ops if op.what == "execution")
    hidden = sum(op.what == "hidden" for op in ops)
    assert counts == {"symbol": 1, "match_id": executed + hidden, "detail": replaced}


@pytest.mark.parametrize("seed", range(4))
def test_what_lobster_says_comes_back_without_a_loss(seed, tmp_path):
    """Read, through Parquet, and written again: the same bytes."""
    ops = [op for op in drawn(seed, 1_200, instruments=1)[0] if op.what != "replace"]
    # Orders whose additions are left out are as those from before a recording.
    ops = [op for at, op in enumerate(ops) if op.what != "add" or at % 5]
    text = lobster_of(ops) + "57600.5,7,0,0,-1,-1\n57601,7,0,0,1,-1\n57602,6,0,900,101000,1\n"
    (tmp_path / "a.csv").write_text(text)
    done = convert(tmp_path / "a.csv", tmp_path / "a.parquet")
    assert done["losses"] == []
    done = convert(tmp_path / "a.parquet", tmp_path / "b.csv")
    assert done["losses"] == []
    assert (tmp_path / "b.csv").read_text() == text


@needs(SHORT)
def test_a_recorded_file_comes_back_with_the_same_bytes(tmp_path):
    assert convert(SHORT, tmp_path / "a.parquet")["losses"] == []
    assert convert(tmp_path / "a.parquet", tmp_path / "b.csv")["losses"] == []
    assert (tmp_path / "b.csv").read_bytes() == SHORT.read_bytes()


@pytest.mark.long
@needs(HOUR)
def test_a_recorded_hour_comes_back_but_for_a_time_below_a_nanosecond(tmp_path):
    done = convert(HOUR, tmp_path / "a.parquet", allowed=["times below 1 ns"])
    assert [(loss["name"], loss["count"]) for loss in done["losses"]] == [("times below 1 ns", 1)]
    assert convert(tmp_path / "a.parquet", tmp_path / "b.csv")["losses"] == []
    before, after = (path.read_text().splitlines() for path in (HOUR, tmp_path / "b.csv"))
    different = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert [one.replace("004,3,", ",3,") for one, _ in different] == [one for _, one in different]


def test_every_truncation_and_wrong_cell_is_named(tmp_path):
    """A row that ends early may still be a row, with a shorter direction or none."""
    ops, _ = drawn(5, 6, instruments=1)
    text = lobster_of(ops)
    path, out = tmp_path / "cut.csv", tmp_path / "cut.parquet"
    whole = 0
    for end in range(1, len(text)):
        path.write_text(text[:end])
        rows = text[:end].splitlines()
        if rows[-1] == text.splitlines()[len(rows) - 1]:
            convert(path, out)
            out.unlink()
            whole += 1
            continue
        if rows[-1].count(",") == 5 and rows[-1].endswith(",1"):
            continue
        with pytest.raises(FlowError, match=r"cut\.csv"):
            convert(path, out)
        assert [one.name for one in tmp_path.iterdir()] == ["cut.csv"]
    assert whole >= len(ops)


def test_a_midnight_dates_the_times(tmp_path):
    (tmp_path / "a.csv").write_text("34200.5,1,7,100,5853300,1\n")
    midnight_ns = 1_340_251_200 * 10**9
    tape = open_tape(tmp_path / "a.csv", Reading("", midnight_ns, "AAPL"))
    assert info(tape)["first_ns"] == midnight_ns + 34_200_500_000_000
    assert tape.header.symbols[1].name == "AAPL"
    assert read(tape)["price"].tolist() == [5_853_300]
    done = write_tape(tape, tmp_path / "b.csv")
    assert done["refused"] == ["date", "symbol"]
