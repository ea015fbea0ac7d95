"""Take a secret out of what every user of the host can read of this process: its arguments."""

import ctypes
from pathlib import Path

ARGUMENTS_BEGIN, ARGUMENTS_END = 47, 48
"""Fields of /proc/PID/stat, from 0 (proc_pid_stat(5))."""


def hide_argument(secret: str) -> None:
    """Overwrite the secret with ``x`` wherever it stands in this process's arguments.

    From here on ``ps`` and /proc/PID/cmdline do not show it; before, they did.  The arguments of
    whoever started the process (a shell's ``-c``, ``sudo``) are not ours.
    """
    secret_bytes = secret.encode(errors="surrogateescape")
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = (int(fields[field - 2]) for field in (ARGUMENTS_BEGIN, ARGUMENTS_END))
    if not secret_bytes or not 0 < begin < end:
        return
    arguments = ctypes.string_at(begin, end - begin)
    at = arguments.find(secret_bytes)
    while at >= 0:
        ctypes.memset(begin + at, ord("x"), len(secret_bytes))
        at = arguments.find(secret_bytes, at + len(secret_bytes))
