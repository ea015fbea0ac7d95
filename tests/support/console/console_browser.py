"""A real Chromium that opens the pages: for every test that looks at them."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.console.console_venue import PASSWORD

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: the page is opened in no browser"
)
AXE = Path(__file__).parents[1] / "portal" / "vendor" / "axe.min.js"
WAIT_MS = 300_000
playwright.expect.set_options(timeout=WAIT_MS)
CONNECTION_LOST = r"net::ERR_|WebSocket connection to .* failed|a status of 4"
"""What Chromium says of a server that dies: of requests under way, of those to nobody, and of those
that are refused when it is back."""
VIEWS = (
    "overview",
    "latency",
    "market",
    "sessions",
    "participants",
    "phases",
    "alarms",
    "cases",
    "journal",
    "log",
    "replication",
    "custody",
    "identities",
    "margins",
)


@contextmanager
def started():
    """The browser."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, floor, name="anna", width=1280, theme="dark", but="a status of 4"):
    """The console with somebody logged in."""
    with shown(browser, floor.url, width, theme, but) as page:
        log_in(page, name)
        yield page


@contextmanager
def shown(browser, url, width=1280, theme="dark", but="a status of 4"):
    """A page; it says nothing on its console (but where the expression ``but`` is found: 401 and
    409 and the like are answers, and Chromium writes each of them there) and asks nobody else."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    lines, urls = [], []
    page.on("console", lambda one: lines.append(one.text) if not re.search(but, one.text) else None)
    page.on("pageerror", lambda error: lines.append(error.stack or str(error)))
    page.on("request", lambda one: urls.append(one.url))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert lines == [], lines
    socket = url.replace("http", "ws")
    assert [one for one in urls if not one.startswith((url, socket, "data:"))] == []


def log_in(page, name):
    page.fill("#login-name", name)
    page.fill("#login-password", PASSWORD)
    page.press("#login-password", "Enter")
    expect(page, "#tiles .tile").to_have_count(14)


def expect(page, selector, **filters):
    locator = page.locator(selector, **filters)
    return playwright.expect(locator)


def go(page, view):
    page.locator(f"nav a[href='#{view}']").click()
    expect(page, f"#view-{view}").to_be_visible()


def row_of(table, text):
    return f"#{table} tbody tr:has(td:text-is('{text}'))"


def console_defects(page):
    """Like :func:`defects`.  Links to views that are scrolled out of sight look to axe-core like
    links that skip something."""
    return [one for one in defects(page) if not one.startswith("skip-link")]


def defects(page):
    """What axe-core finds, with every rule of WCAG 2.2 A and AA and its best practices."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    found = page.evaluate(
        """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
        .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ") + " "
        + node.failureSummary).slice(0, 3).join(" | ")}`)"""
    )
    return [str(one) for one in found]
