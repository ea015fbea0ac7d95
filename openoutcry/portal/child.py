"""Processes that the portal starts, and starts again when they end: projector and notifier."""

import asyncio
import contextlib
import logging
import os
import sys

from openoutcry.venue.file import VenueFile

PARENT = "OUTCRY_PORTAL_PID"
"""The portal's process; its children end with it."""
RESTART_S, NICER = 2.0, 5
"""Before a child is started again; and how much nicer it is than the portal: orders come first."""
log = logging.getLogger("outcry.portal")


class Child:
    """Keeps one process running: a command of ``outcry portal`` that takes the venue's file."""

    def __init__(self, file: VenueFile, url: str, name: str, *options: str) -> None:
        """``url``: of the portal's database."""
        self.name = name
        self.command = [sys.executable, "-m", "openoutcry", "portal", name, str(file.path)]
        self.command += ["--database=-", *options]
        self.environment = {**os.environ, PARENT: str(os.getpid())}
        self.url = url

    async def run(self) -> None:
        """Run until cancelled; the process has ended then."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *self.command, env=self.environment, stdin=asyncio.subprocess.PIPE
            )
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # it has just ended
                nice = os.getpriority(os.PRIO_PROCESS, 0) + NICER
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
            # The URL may hold a password: neither arguments nor environment are a place for it.
            process.stdin.write(f"{self.url}\n".encode())
            process.stdin.close()
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise
            log.error("the process %s ended with %d; it is started again", self.name, code)
            await asyncio.sleep(RESTART_S)


def has_lost_parent() -> bool:
    """Return whether the portal that started this process has ended."""
    parent = os.environ.get(PARENT)
    return parent is not None and os.getppid() != int(parent)
