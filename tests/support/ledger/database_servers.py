"""Database servers that a test starts for itself."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.ledger.postgresql_server import postgresql
from tests.support.waiting import BOUND_S

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
SERVER, INSTALL = (shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db"))
needs_mariadb = pytest.mark.skipif(
    SERVER is None or INSTALL is None, reason="no MariaDB (Debian: mariadb-server-core)"
)


@contextmanager
def mariadb() -> Iterator[str]:
    """Start it, give its mysql:// address, stop it and remove what it kept.  The folder's path is
    short: a socket's may have 107 bytes."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="outcry-mariadb-") as folder:
        data, socket = Path(folder, "data"), Path(folder, "s")
        common = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
        installed = subprocess.run(
            [
                str(INSTALL),
                *common,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=8M",
            ],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
        assert installed.returncode == 0, installed.stdout + installed.stderr
        with Path(folder, "log").open("w+") as log:
            server = subprocess.Popen(
                [
                    str(SERVER),
                    *common,
                    f"--socket={socket}",
                    f"--pid-file={folder}/pid",
                    "--skip-networking",
                    "--innodb-buffer-pool-size=16M",
                    "--innodb-log-file-size=8M",
                    "--innodb-flush-log-at-trx-commit=0",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                deadline = time.monotonic() + BOUND_S
                while not socket.exists():
                    assert server.poll() is None, Path(log.name).read_text()
                    assert time.monotonic() < deadline, Path(log.name).read_text()
                    time.sleep(0.05)
                yield f"mysql://root@/?unix_socket={quote(str(socket), safe='')}"
            finally:
                server.terminate()
                try:
                    server.wait(BOUND_S)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()


@pytest.fixture(scope="module")
def servers():
    """The addresses of two servers, started when first asked for."""
    with ExitStack() as stack:
        started = {}

        def address(name):
            if name not in started:
                started[name] = stack.enter_context({"mysql": mariadb, "pg": postgresql}[name]())
            return started[name]

        yield address
