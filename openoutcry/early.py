"""What a command does before its modules load: hide secrets, and answer Control-C.

Control-C ends it with one word and status 1, at once. Not by an exception: one that comes up in an
import's own callback is swallowed, and the command goes on; nothing has been made yet that would
have to be cleaned up.
"""

import ctypes
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

SECRET_OPTIONS = frozenset(
    [
        "--database",
        "--key",
        "--ledger",
        "--nats",
        "--node",
        "--on",
        "--passphrase",
        "--password",
        "--password-hash",
        "--portal-database",
        "--store",
    ]
)
"""Options whose value is a secret, or a URL that may hold one; each is a ``Secret`` of the CLI.  Of
commands whose ``--key`` is a file, its name is hidden as well."""
SECRET_VARIABLE = re.compile(r"PASSW|PASSPHRASE|SECRET|TOKEN|DATABASE_URL", re.ASCII)
URL_SECRET = re.compile(r"(?<=://)[^/?#]*(?=@)|(?<=[?&]password=)[^&]*|(?<=[?&]token=)[^&]*")
"""User and password of a URL, or one of its parameters that is a secret."""
_ARGUMENTS, _ENVIRONMENT = (47, 48), (49, 50)
"""Fields of /proc/PID/stat with the addresses of both, from 0 (proc_pid_stat(5))."""


def hide_secrets(arguments: Sequence[str]) -> None:
    """Overwrite secrets where other processes read this one's arguments and environment.

    The values stay for this process: click has the arguments, and variables move to other memory.
    From here on neither ``ps`` nor /proc/PID/cmdline nor /proc/PID/environ shows them; before, they
    did.  The arguments of its parent (a shell's ``-c``, ``sudo``) stay as they are.
    """
    _overwrite(_ARGUMENTS, _secrets_among(arguments))
    variables = {
        name: value
        for name, value in os.environ.items()
        if SECRET_VARIABLE.search(name.upper()) or URL_SECRET.search(value)
    }
    os.environ.update(variables)  # which copies them to other memory
    _overwrite(_ENVIRONMENT, ((f"{name}={value}", value) for name, value in variables.items()))


def _secrets_among(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each argument that holds a secret, and the secret."""
    for argument, before in zip(arguments, ("", *arguments), strict=False):
        name, _, value = argument.partition("=")
        value = argument if before in SECRET_OPTIONS else value if name in SECRET_OPTIONS else ""
        if value and value != "-" and not value.startswith("file:"):
            yield argument, value
        elif found := URL_SECRET.search(argument):
            yield argument, argument[found.start() :]


def _overwrite(fields: tuple[int, int], secrets: Iterable[tuple[str, str]]) -> None:
    """Overwrite the ends of strings of the process's first memory; ``secrets``: each string, and
    what it holds."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        stat = file.read().rpartition(")")[2].split()
    begin, end = (int(stat[field - 2]) for field in fields)
    if not 0 < begin < end:
        return
    memory = b"\0" + ctypes.string_at(begin, end - begin)
    for whole, secret in secrets:
        text, length = os.fsencode(whole), len(os.fsencode(secret))
        at = memory.find(b"\0" + text + b"\0") if length else -1
        while at >= 0:
            ctypes.memset(begin + at + len(text) - length, ord("x"), length)
            at = memory.find(b"\0" + text + b"\0", at + len(text))


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Within it an interrupt ends the process; not one that is ignored, or that a program around us
    answers itself."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _leave)
    except ValueError:  # in a thread that takes no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: Any) -> NoReturn:
    # In the words of click and with its status.
    os.write(2, b"Aborted!\n")
    if "--json" in sys.argv:
        os.write(1, b'{"error": "Aborted!"}\n')
    os._exit(1)
