"""A page of the test's own, and a simulated machine with a daemon on it."""

import pytest

from openoutcry.ptp.leap import load_table
from openoutcry.ptp.page import ClockPage, PageWriter


@pytest.fixture(scope="session")
def table():
    """This machine's list of leap seconds."""
    return load_table()


@pytest.fixture
def writer():
    """A page whose writer is the test's own thread."""
    page_writer = PageWriter()
    yield page_writer
    page_writer.close()


@pytest.fixture
def page(writer):
    """A reader of :func:`writer`'s page."""
    return ClockPage.open(writer.name)
