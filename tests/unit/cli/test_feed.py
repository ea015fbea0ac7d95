"""`outcry feed`: what is wrong with its arguments, what it listened to, and the ladder it shows."""

from click.testing import CliRunner

from openoutcry.cli.main import main


def test_addresses_are_checked():
    for wrong in ("239.1.1.1", "host:1", "239.1.1.1:0"):
        done = CliRunner().invoke(main, ["feed", "listen", "-a", wrong])
        assert done.exit_code == 2
        assert wrong in done.output


def test_a_journal_that_is_invalid_is_reported(tmp_path):
    done = CliRunner().invoke(main, ["feed", "write", str(tmp_path / "j"), str(tmp_path / "x")])
    assert done.exit_code == 1
    assert str(tmp_path / "j") in done.output
    assert list(tmp_path.iterdir()) == []
