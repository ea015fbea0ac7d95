"""Risk in a venue that is being served: limits of the file and of the operator, kill switches,
halts and the emergency close, over kills of the venue itself; the journal has all of it.  What is
killed or halted the gateway refuses already."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from tests.support.venue.served_venue import PORT, VENUE


@pytest.mark.parametrize("what", ["limits", "fees"])
def test_what_was_never_opened_has_no_history(what: str, tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(VENUE + PORT.format(port=9))
    done = CliRunner().invoke(main, [what, "history", "--venue", str(file)])
    assert done.exit_code == 1
    assert done.output == f"outcry: {tmp_path / 'journal'}: this venue was never opened\n"
    done = CliRunner().invoke(main, ["venue", "actions", str(file)])
    assert (done.exit_code, done.output) == (1, f"outcry: {file}: this venue was never opened\n")
