"""The file in which the embedded server says how far its start is, read while it is written."""

import os

import pytest

from openoutcry.portal.database import DatabaseError, running_embedded, wait_until_ready


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_server_file_that_is_not_whole_is_of_a_server_that_starts(
    tmp_path, monkeypatch, is_ready
):
    """A second look, once the server has written the rest, finds it."""
    folder = tmp_path / "postgresql"
    folder.mkdir()
    path, looks = folder / "postmaster.pid", []
    lines = [str(os.getpid()), str(folder), "1795868943", "5432", "", "", "  2630321    163891"]

    def wait(_):
        looks.append(path.read_text())
        parts = ["", "\n".join(lines[:3]), "\n".join(lines), "\n".join([*lines, "ready   "])]
        path.write_text(parts[len(looks) % len(parts)])

    path.write_text("")
    monkeypatch.setattr("openoutcry.portal.database.time.sleep", wait)
    if is_ready:
        wait_until_ready(folder)
        assert len(looks) == 3
    else:
        with pytest.raises(DatabaseError, match="no PostgreSQL runs here"):
            running_embedded(folder)
