"""A key file that several make at once: one of them makes it, and all read the same whole one."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from openoutcry.wire import atomic_file
from openoutcry.wire.atomic_file import create_atomically

MAKERS = 8


def test_one_of_many_makes_the_file_and_all_read_the_same(tmp_path):
    path, together = tmp_path / "key", Barrier(MAKERS)

    def make(_):
        content = secrets.token_bytes(32)
        together.wait()
        return create_atomically(path, content), content, path.read_bytes()

    with ThreadPoolExecutor(MAKERS) as pool:
        rows = list(pool.map(make, range(MAKERS)))
    (made,) = [content for is_made, content, _ in rows if is_made]
    assert {read for _, _, read in rows} == {made}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_ends_before_the_file_is_whole_leaves_none(tmp_path, monkeypatch):
    def full(fd):
        raise OSError("the disk is full")

    monkeypatch.setattr(atomic_file.os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        create_atomically(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []
