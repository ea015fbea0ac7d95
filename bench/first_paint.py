"""How long the console's page takes to its first paint in a real Chromium, with nothing cached.

A user is logged in to the console of a venue that is open.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from openoutcry.venue.days import read_status
from openoutcry.wire import OutcryError

BROWSERS = ("chromium", "chromium-browser")
START_S, PAINT_MS = 600.0, 30_000
WORD = "first-paint"
VENUE = """
[venue]
name = "PAINT"
journal = "journal"
volatile_journal = true
order_capacity = 4096
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
[[schedule]]
name = "all day"
day = ["00:00 CONTINUOUS", "23:59:59 CLOSED"]
[[instrument]]
symbol = "GOLD"
[[participant]]
number = 1
name = "one"
[[operator]]
name = "anna"
password = "{hash}"
"""
FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
    const one = list.getEntries().find((entry) => entry.name === "first-contentful-paint");
    if (one) done(one.startTime);
}).observe({ type: "paint", buffered: true }))"""


def missing() -> str:
    """Return why it cannot be measured here; '' if nothing does."""
    if not any(map(shutil.which, BROWSERS)):
        return "there is no chromium"
    needed = ("playwright", "fastapi", "uvicorn", "argon2", "pyotp")
    return ", ".join(f"no {name}" for name in needed if find_spec(name) is None)


@dataclass
class Page:
    """The console's page and the browser that opens it."""

    url: str
    browser: Any

    def first_paint_ns(self) -> float:
        """Return the time from the start of the navigation to the first paint of content, in a
        separate browser context without a cache."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 800})
        try:
            login = {"name": "anna", "password": WORD}
            answer = context.request.post(f"{self.url}api/login", data=login)
            if answer.status != 200:
                raise OutcryError(f"bench operations: the console's login: {answer.text()}")
            page = context.new_page()
            page.set_default_timeout(PAINT_MS)
            page.goto(self.url)
            return float(page.evaluate(FIRST_PAINT)) * 1e6
        finally:
            context.close()


@contextmanager
def page_of_a_venue() -> Iterator[Page]:
    """A venue, its console and a browser, for as long as this lasts."""
    from playwright.sync_api import sync_playwright

    from openoutcry.order_entry.passwords import password_hasher

    outcry = [sys.executable, "-m", "openoutcry"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "venue.toml"
        file.write_text(VENUE.format(hash=password_hasher().hash(WORD)))
        venue = stack.enter_context(running_command([*outcry, "serve", str(file)]))
        until_open(folder / "journal", venue)
        command = [*outcry, "venue", "console", str(file), "--address", "127.0.0.1:0"]
        console = stack.enter_context(running_command(command))
        assert console.stderr is not None
        url = console.stderr.readline().decode().strip()
        if not url.startswith("http"):
            raise OutcryError(f"bench operations: {url}")
        driver = stack.enter_context(sync_playwright())
        browser_path = next(path for path in map(shutil.which, BROWSERS) if path)
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        stack.callback(browser.close)
        yield Page(url, browser)


@contextmanager
def running_command(command: list[str]) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a command for as long as this lasts; its standard error is an unbuffered pipe."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def until_open(journal: Path, venue: "subprocess.Popen[bytes]") -> None:
    """Wait until the venue is served: its kernels may have to be compiled first."""
    until_s = time.monotonic() + START_S
    while (read_status(journal) or {}).get("state") != "open":
        if time.monotonic() > until_s or venue.poll() is not None:
            raise OutcryError("bench operations: the venue did not open")
        time.sleep(0.05)
