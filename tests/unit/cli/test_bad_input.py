"""Bad input at the command line: a clear error, the right exit status, nothing half-written."""

from pathlib import Path

import pytest

from openoutcry.journal import Journal
from tests.support.cli.bad_input import Outcry, one_line_error

GOOD_LOBSTER = "34200.1,1,11,100,5853300,1\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--rate", "fast"], "'fast' is neither `max` nor"),
        (["run", "--rate", "-5"], "-5"),
        (["run", "--orders", "0"], "--orders"),
        (["run", "--orders", "9223372036854775808", "--udp", "127.0.0.1:9"], "--orders"),
        (["run", "--orders", "99999999999999999999"], "--orders"),
        (["send", "--to", "127.0.0.1:9", "--orders", "9223372036854775808"], "--orders"),
        (["run", "--checkpoint-every", "9223372036854775808"], "--checkpoint-every"),
        (["run", "--flow", "sideways"], "sideways"),
        (["run", "--topology", "cloud"], "cloud"),
        (["run", "--itch", "a", "--lobster", "b"], "one source at a time"),
        (["run", "--seed-book", "a"], "--seed-book needs --lobster"),
        (["run", "--durability", "none", "--journal", "d"], "--journal needs"),
        (["run", "--udp", "localhost"], "not HOST:PORT"),
        (["run", "--udp", "localhost:99999"], "not HOST:PORT"),
        (["run", "--udp", "localhost:9000", "--rate", "5"], "--rate needs"),
        (["bench", "check-book", "--lobster", "x"], "--orderbook"),
        (["send"], "--to"),
        (["replay"], "DIRECTORY"),
        (["dance"], "dance"),
        (["bench", "weather"], "weather"),
        (["venue", "deposit", "1", "0"], "'0' moves nothing"),
        (["venue", "withdraw", "1", "0.00"], "'0.00' moves nothing"),
    ],
)
def test_a_usage_error_exits_with_two(arguments: list[str], text: str, outcry: Outcry) -> None:
    """What was typed wrong is named, and nothing is run."""
    one_line_error(outcry(*arguments), 2, text)


@pytest.mark.parametrize("kind", ["lobster", "itch", "bitstamp"])
@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), (b"", "empty"), (b"\x00\xff\x13 what is this?\n" * 40, "")],
)
def test_missing_empty_and_foreign_files(
    kind: str, content: bytes | None, text: str, outcry: Outcry, tmp_path: Path
) -> None:
    """Each reader names the file it cannot use; no journal and no report are left."""
    path = tmp_path / "orders.in"
    if content is not None:
        path.write_bytes(content)
    done = outcry("run", f"--{kind}", path, "--journal", "day", "--report", "r.html")
    one_line_error(done, 1, "orders.in", text)
    assert not (tmp_path / "r.html").exists()
    assert not Journal.exists(tmp_path / "day")


def test_a_letter_in_a_number_is_named_by_row_and_field(outcry: Outcry, tmp_path: Path) -> None:
    """A LOBSTER row with a letter in its size: file, row and column."""
    path = tmp_path / "messages.csv"
    path.write_text(GOOD_LOBSTER * 2 + "34200.2,1,12,1x0,5853300,1\n")
    one_line_error(outcry("run", "--lobster", path), 1, "messages.csv", "row 3", "size")


def test_an_unknown_itch_message_is_named_by_byte(outcry: Outcry, tmp_path: Path) -> None:
    """A message type no specification has: its byte and the type."""
    path = tmp_path / "day.itch"
    path.write_bytes(b"\x00\x0cS" + bytes(11) + b"\x00\x05z" + bytes(4))
    done = outcry("run", "--itch", path)
    one_line_error(done, 1, "day.itch", "byte 1", "z")


def test_a_truncated_itch_file_is_named_by_byte(outcry: Outcry, tmp_path: Path) -> None:
    """A file that ends inside a message is refused, not read short."""
    path = tmp_path / "day.itch"
    path.write_bytes(b"\x00\x0cS" + bytes(5))
    one_line_error(outcry("run", "--itch", path), 1, "day.itch", "byte")


def test_a_report_into_a_missing_folder_is_refused_before_the_run(
    outcry: Outcry, tmp_path: Path
) -> None:
    """Nobody waits for a run whose report cannot be written."""
    done = outcry("run", "--orders", 1000, "--report", "no/such/r.html", "--journal", "day")
    one_line_error(done, 1, "no/such")
    assert not (tmp_path / "day").exists()


@pytest.mark.parametrize("directory", ["nothing-here", "empty", "foreign"])
def test_replay_of_what_is_no_journal(directory: str, outcry: Outcry, tmp_path: Path) -> None:
    """A missing, an empty and a foreign directory are three clear errors."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "segment-000000.ocj").write_bytes(b"nonsense" * 100)
    one_line_error(outcry("replay", directory), 1, directory)
