"""The commands of docs/venue.md do what the page says, in its order."""

import re
import signal
from pathlib import Path

from tests.support.user_commands import commands, run, started_command
from tests.support.waiting import BOUND_S, wait_until


def test_the_pages_commands(tmp_path: Path) -> None:
    init, check, serve, status, password = commands("venue.md")
    assert "venue.toml" in run(init, tmp_path)
    file = tmp_path / "venue.toml"
    text = file.read_text().replace("# volatile_journal", "volatile_journal")
    file.write_text(re.sub(r"127\.0\.0\.1:900\d", "127.0.0.1:0", text))
    assert "no mistake" in run(check, tmp_path)
    assert run(password, tmp_path).startswith("$argon2id$")
    with started_command(f"{serve} --from 2026-11-23T12:00", tmp_path) as serving:
        try:
            noted = tmp_path / "journal" / "status.json"

            def trades(noted=noted, serving=serving):
                assert serving.poll() is None, serving.communicate()
                return noted.exists() and "CONTINUOUS" in noted.read_text()

            wait_until(trades, "the venue trades")
            shown = run(status, tmp_path)
        except BaseException:
            serving.kill()
            raise
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate(timeout=BOUND_S)
        assert serving.returncode == 0, err
    assert "OUTCRY: open at 2026-11-23T12:" in shown
    assert "next: CLOSING_AUCTION at 2026-11-23T23:50:00Z" in shown
    assert "OUTCRY is closed" in out
