"""Database servers that a test starts for itself."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import BOUND_S

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
SERVER, INSTALL, CLIENT = (
    shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db", "mariadb")
)
needs_mariadb = pytest.mark.skipif(
    None in (SERVER, INSTALL, CLIENT),
    reason="no MariaDB (Debian: mariadb-server-core mariadb-client-core)",
)


@contextmanager
def mariadb() -> Iterator[str]:
    """Start a server, yield the path of its socket, stop it and remove its files.  The folder's
    path is short: a socket's may have 107 bytes."""
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
                yield str(socket)
            finally:
                server.terminate()
                try:
                    server.wait(BOUND_S)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()


def mariadb_rows(socket: str, now: float, *files: Path) -> list[list[str]]:
    """Run SQL files in a database of their own; return the rows of the last SELECT, as texts."""
    name = f"books_{uuid.uuid4().hex}"
    begin = (
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin; USE {name}; "
        f"SET time_zone = '+00:00'; SET timestamp = {now};\n"
    )
    done = subprocess.run(
        [str(CLIENT), "--no-defaults", f"--socket={socket}", "--user=root", "--batch",
         "--skip-column-names", "--default-character-set=utf8mb4"],
        input=begin + "\n".join(path.read_text() for path in files),
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
