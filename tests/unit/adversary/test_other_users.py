"""What another user of the host has prepared or can read: a venue's files, its desk, exports, the
process list.  The folder that all of it happens in is shared, as /tmp is."""

from pathlib import Path

import pytest

from openoutcry.console.screen.notify import post_json
from openoutcry.operations.notify import NotifyError
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.urls import password_of, without_password


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
def test_what_is_not_whole_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("before")

    def write_half() -> None:
        with replacing(out) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
@pytest.mark.parametrize(
    ("url", "password", "shown"),
    [
        ("postgresql://u:p@ss:w@h:5432/d", "p@ss:w", "postgresql://u:***@h:5432/d"),
        ("postgresql://u@h:5432/d", "", "postgresql://u@h:5432/d"),
        ("postgresql://h:5432/d?password=x&a=b", "x", "postgresql://h:5432/d?password=***&a=b"),
        ("mysql://u:pw@/?unix_socket=/x", "pw", "mysql://u:***@/?unix_socket=/x"),
        ("duckdb", "", "duckdb"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, password: str, shown: str) -> None:
    assert (password_of(url), without_password(url)) == (password, shown)


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
def test_a_webhook_that_fails_is_named_without_its_path() -> None:
    """The path of a webhook is often its secret."""
    with pytest.raises(NotifyError) as raised:
        post_json("http://me:0pen@127.0.0.1:9/services/s3cr3t", {})
    assert "http://127.0.0.1:9" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert "0pen" not in str(raised.value)
