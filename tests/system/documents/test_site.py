"""`make docs`: the site builds without a warning and needs no network, not even to search."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.user_commands import ROOT
from tests.support.waiting import BOUND_S

LOADED = re.compile(
    r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?([^\" >]+)|<link\b[^>]*\bhref=\"?([^\" >]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_has_a_page_for_each_document(site: Path) -> None:
    documents = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    pages = {path.with_suffix(".html") for path in documents - {Path("decisions/README.md")}}
    pages |= {Path("architecture.html"), Path("changelog.html"), Path("decisions/index.html")}
    assert {page for page in pages if not (site / page).exists()} == set()


def test_every_block_is_shown_as_one(site: Path) -> None:
    """No fence is left in a page's text; the changelog is all prose."""
    left = []
    for page in site.rglob("*.html"):
        text = re.sub(r"<code\b.*?</code>", "", page.read_text(), flags=re.DOTALL)
        if "```" in text:
            left.append(str(page.relative_to(site)))
    assert left == []


def test_no_page_loads_anything_from_the_network(site: Path) -> None:
    """Scripts, styles, fonts and images all come with the site, and exist."""
    missing = []
    for page in site.rglob("*.html"):
        for link in LOADED.findall(page.read_text()):
            address = (link[0] or link[1]).partition("#")[0].partition("?")[0]
            if page.name != "404.html" and not (page.parent / address).exists():
                missing.append(f"{page.relative_to(site)}: {address}")
    assert missing == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.findall(r"url\(\"?https?://|@import", styles)


def test_each_picture_of_a_document_is_on_its_page(site: Path) -> None:
    """The hook that turns links to sources into paths leaves pictures alone."""
    pictures = 0
    for path in sorted((ROOT / "docs").glob("*.md")):
        page = (site / path.with_suffix(".html").name).read_text()
        for target in re.findall(r"^!\[[^\]]*\]\(([^)]+)\)", path.read_text(), re.MULTILINE):
            assert re.search(rf'<img\b[^>]*\bsrc="?{re.escape(target)}', page), (path.name, target)
            pictures += 1
    assert pictures >= 10


def test_the_search_index_holds_the_pages(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text()
    entries = json.loads(index[index.index("{") : index.rindex("}") + 1])["docs"]
    assert any(entry["location"].startswith("for-operators.html") for entry in entries)
