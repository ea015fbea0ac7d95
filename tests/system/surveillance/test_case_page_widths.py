"""A case's page in a browser at three widths: no column of the books is cut off."""

from pathlib import Path

import pytest

from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S

pytest.importorskip("playwright")

CUT = """[...document.querySelectorAll('.books .scroll')]
  .filter(box => box.scrollWidth > box.clientWidth).length"""
CELLS = """[...document.querySelectorAll('.books tr:nth-child(2) th:nth-child(3)')]
  .filter(cell => cell.getBoundingClientRect().right
    <= cell.closest('.scroll').getBoundingClientRect().right + 1).length"""


def test_the_books_of_a_case_are_shown_whole(tmp_path: Path) -> None:
    from tests.support.console.console_browser import started

    kinds = ["--minutes", "10", "--manipulators", "wash_related"]
    for words in (
        ["sample", "day", "--seed", "1", *kinds],
        ["run", "day", "--settings", "day/surveillance.toml"],
        ["show", "day", "1", "--out", "case.html", "--settings", "day/surveillance.toml"],
    ):
        done = warm_outcry.run(["surveillance", *words], tmp_path, BOUND_S)
        assert done.returncode == 0, done.stderr
    with started() as browser:
        for width in (390, 1280, 1920):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((tmp_path / "case.html").as_uri())
            boxes = page.locator(".books .scroll").count()
            assert boxes >= 1
            assert page.evaluate(CUT) == 0, width
            assert page.evaluate(CELLS) == boxes, width
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            page.close()
