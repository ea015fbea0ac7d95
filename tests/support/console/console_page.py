"""What the tests of console page in several tiers share."""

from tests.support.console.console_browser import (
    expect,
)
from tests.support.console.console_venue import PASSWORD


def act(page, row, button, why="a test", password=False):
    """Press a row's button, say why, and wait until it is done."""
    page.locator(row).get_by_role("button", name=button).first.click()
    finish(page, why, password)


def finish(page, why="a test", password=False):
    page.fill("#ask-why", why)
    if password:
        page.fill("#ask-password", PASSWORD)
    page.press("#ask-why", "Enter")
    expect(page, "#ask").to_be_hidden()
