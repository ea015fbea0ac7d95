"""bench/report_stream.py: the report stream of Flash One's matching-engine benchmark."""

import hashlib

import pytest
from click.testing import CliRunner

from openoutcry.bench.report_stream import (
    CANCEL,
    MODIFY,
    NEW,
    WorkloadError,
    report_stream,
)
from openoutcry.cli.main import main
from tests.support.bench.report_stream import BUY, SELL, workload


def test_every_kind_of_report_has_its_line(tmp_path):
    """The formats of docs/METHODOLOGY.md, by the command: the hash is printed, the text written."""
    path = workload(
        tmp_path / "normal_seed23.bin",
        [
            (NEW, BUY, 0, 10, 1, 100),
            (NEW, SELL, 1, 15, 2, 99),
            (NEW, SELL, 0, 5, 3, 101),
            (NEW, BUY, 0, 4, 4, 100),
            (MODIFY, BUY, 0, 6, 4, 101),
            (CANCEL, BUY, 0, 4, 4, 100),
            (CANCEL, BUY, 0, 4, 4, 100),
            (MODIFY, SELL, 0, 6, 3, 101),
        ],
    )
    done = CliRunner().invoke(
        main, ["bench", "matcher", "--report-stream", str(path), "--out", str(tmp_path / "reports")]
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "reports").read_text()
    assert text.split("\n") == [
        "0,0,0,1,100,10",
        "0,1,1,2,99,15",
        "1,1,100,10,1,2",
        "2,1,1,2,99",
        "0,2,1,3,101,5",
        "0,3,0,4,100,4",
        "1,4,101,5,3,4",
        "3,4,0,4,101,6",
        "2,5,0,4,101",
        "4,6,4",
        "5,7,3",
    ]
    assert (
        done.output == f"{hashlib.sha256(text.encode()).hexdigest()}  normal_seed23_reports.txt\n"
    )


GOOD = (NEW, BUY, 0, 10, 1, 100)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((3, BUY, 0, 1, 2, 100), "message 1: type is 3"),
        ((NEW, 2, 0, 1, 2, 100), "message 1: side is 2"),
        ((NEW, BUY, 0, 0, 2, 100), "message 1: quantity is 0"),
        ((NEW, BUY, 0, 1, 0, 100), "message 1: order_id is 0"),
        (GOOD, "message 1: REJECTED, reason 5, for which the benchmark has no report"),
    ],
)
def test_a_message_that_makes_no_sense_is_named(tmp_path, bad, message):
    path = workload(tmp_path / "orders.bin", [GOOD, bad])
    with pytest.raises(WorkloadError, match=message) as error:
        report_stream(path, None)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("cut", [3, 16, 55], ids=["the header", "all messages", "half a message"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, cut):
    path = workload(tmp_path / "orders.bin", [GOOD])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WorkloadError, match="header"):
        report_stream(path, None)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "orders.bin"
    path.write_bytes(bytes(56))
    with pytest.raises(WorkloadError, match="not a workload of version 1"):
        report_stream(path, None)
