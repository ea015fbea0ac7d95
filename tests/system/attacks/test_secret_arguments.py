"""Secrets among the arguments and in the environment of every command: what /proc shows of them."""

import errno
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from openoutcry.cli.main import main
from openoutcry.cli.options import Secret
from openoutcry.early import SECRET_OPTIONS
from tests import ROOT
from tests.support.cli.tree import tree
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until

PLANTED = "s3cr3t-word"
LEAVES = [(path, one) for path, one in tree(main) if not isinstance(one, click.Group)]
OPTIONS = [
    (path, option)
    for path, one in LEAVES
    for option in one.params
    if isinstance(option, click.Option) and not option.is_flag
]
SECRET_NAME = re.compile(r"password|passphrase|secret|webhook|database|nats")
MAY_BE_SECRET = re.compile(r"://|\bURL\b")
PUBLIC = {"--runbooks", "--webhook-host"}
"""Options whose URL or host is public."""

DRIVER = """
import json, os, pathlib, sys
from openoutcry.cli.main import main
from tests.support.cli.tree import tree

tree(main)  # which loads every command once, before the processes below are made

def shown(arguments):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2), os.dup2(1, 0)
            try:
                main(arguments, standalone_mode=False)
            except BaseException:
                pass
            for name in ("cmdline", "environ"):
                os.write(writing, pathlib.Path("/proc/self", name).read_bytes())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        text = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text

commands = [one.split() for one in sys.stdin.read().splitlines()]
found = []
for one in commands:
    text = shown(one)
    assert b"--no-such-option" in text and b"PLAIN=" in text
    planted = [word[word.find("0s3cr3t"):][:13] for word in one if "0s3cr3t" in word]
    found += [word for word in (*planted, "1s3" + "cr3t") if word.encode() in text]
print(json.dumps(found))
assert b"0s3cr3t" in shown(["--no-such-option"])  # what is planted is there
"""


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
def test_every_option_for_a_secret_is_of_the_one_type() -> None:
    """And the list that is known before modules load has its name."""
    wrong = []
    for path, option in OPTIONS:
        text = f"{option.help} {option.metavar}"
        is_secret = isinstance(option.type, Secret)
        may_be = SECRET_NAME.search(option.opts[0]) or MAY_BE_SECRET.search(text)
        if may_be and not is_secret and not PUBLIC & set(option.opts):
            wrong.append((*path, option.opts))
        if is_secret:
            assert set(option.opts) <= SECRET_OPTIONS, path
    assert wrong == []


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
def test_no_command_leaves_a_secret_in_proc() -> None:
    """Every option of every command is given a URL with a password, an option for a secret also the
    password alone: /proc shows none after the arguments are read.  An unknown option ends the
    command then."""
    number, commands = itertools.count(), []
    for path, one in LEAVES:
        words = [*path, f"tls://user:0s3cr3t{next(number):06d}@127.0.0.1:9"]
        for option in one.params:
            if not isinstance(option, click.Option):
                continue
            for name in option.opts:
                words += [name, f"tls://user:0s3cr3t{next(number):06d}@127.0.0.1:9"]
                words += [f"{name}=http://h/?a=b&password=0s3cr3t{next(number):06d}"]
                if isinstance(option.type, Secret):
                    words += [
                        name,
                        f"0s3cr3t{next(number):06d}",
                        f"{name}=0s3cr3t{next(number):06d}",
                    ]
        commands.append([*words, "--no-such-option"])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *itertools.chain(*commands)],
        cwd=ROOT,
        env=os.environ
        | {"PLAIN": "x", "OUTCRY_PASSWORD": "1s3cr3t", "PLACE": "tls://user:1s3cr3t@127.0.0.1:9"},
        input="\n".join(map(" ".join, commands)),
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


RUNNING = {
    "run": ["run", "--lobster", "FIFO", "--nats", f"tls://user:{PLANTED}@127.0.0.1:9"],
    "portal": [
        "portal",
        "identities",
        "FIFO",
        f"--database=postgresql://me:{PLANTED}@127.0.0.1:9/x",
    ],
}


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
@pytest.mark.parametrize("command", RUNNING)
def test_a_running_command_shows_no_secret(tmp_path: Path, command: str) -> None:
    """From outside, while it waits for its first file."""
    fifo = tmp_path / "file"
    os.mkfifo(fifo)
    words = [str(fifo) if word == "FIFO" else word for word in RUNNING[command]]
    if command == "run":
        words += ["--durability", "replicated", "--journal", str(tmp_path / "journal")]
    process = subprocess.Popen(
        [*OUTCRY, *words], env=os.environ | {"OUTCRY_PASSWORD": PLANTED}, stderr=subprocess.PIPE
    )
    proc = Path(f"/proc/{process.pid}")

    def reader() -> int | None:
        """The file's other end, once the command reads it."""
        assert process.poll() is None, process.communicate()
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None

    try:
        end = wait_until(reader, "the command reads its file")
        shown = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        assert b"OUTCRY_PASSWORD=xxx" in shown
        assert PLANTED.encode() not in shown
        os.close(end)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
def test_a_secret_is_read_from_its_owners_file(tmp_path: Path) -> None:
    """``file:PATH``: the first line; a file that others may read is refused."""
    path = tmp_path / "secret"
    path.write_text(f"{PLANTED}\nmore\n")
    path.chmod(0o600)
    kind = Secret()
    assert kind.convert(f"file:{path}", None, None) == PLANTED
    path.chmod(0o644)
    for wrong in (path, tmp_path / "missing"):
        with pytest.raises(click.BadParameter, match=re.escape(str(wrong))):
            kind.convert(f"file:{wrong}", None, None)
