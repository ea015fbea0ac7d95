"""Every link in the documents leads somewhere: to a file of the repository and, where it names one,
to a heading there."""

import re
from pathlib import Path

import pytest

from tests.support.user_commands import ROOT

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "llms.txt",
    *sorted((ROOT / "docs").rglob("*.md")),
]
CODE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
SPAN = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$", re.M)


def links(text: str) -> list[str]:
    """Targets of the inline links outside code."""
    return LINK.findall(SPAN.sub("`code`", CODE.sub("", text)))


def anchors(text: str) -> set[str]:
    """What the headings are called in an address, as GitHub and the site call them."""
    slugs: set[str] = set()
    for heading in HEADING.findall(CODE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        copies = [slug, *(f"{slug}-{number}" for number in range(1, 10))]
        slugs.add(next(name for name in copies if name not in slugs))
    return slugs


def dead_links(document: Path, text: str) -> list[str]:
    dead = []
    for link in links(text):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or not target.is_relative_to(ROOT):
            dead.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target.read_text()):
            dead.append(f"{link}: no such heading")
    return dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(document: Path) -> None:
    assert dead_links(document, document.read_text()) == []


def test_the_index_leads_to_every_page() -> None:
    """A page that nobody can find does not exist; the decisions have an index of their own."""
    for index in (ROOT / "docs" / "index.md", ROOT / "docs" / "decisions" / "README.md"):
        reached = {
            (index.parent / link.partition("#")[0]).resolve() for link in links(index.read_text())
        }
        pages = set(index.parent.glob("*.md")) - {index}
        assert pages <= reached, pages - reached


def test_the_sites_navigation_has_every_page() -> None:
    """A page that is in no menu of the site is found only by its search."""
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    listed = set(re.findall(r"[\w/.-]+\.md", menu))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages <= listed, pages - listed


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[a](nowhere.md)", 1),
        ("[a](docs/index.md#nothing-here)", 1),
        ("[a](../../etc/passwd)", 1),
        ("[a](docs/index.md#start-here)", 0),
        ("[a](https://example.org/nowhere)", 0),
        ("`[a](nowhere.md)`", 0),
        ("```\n[a](nowhere.md)\n```", 0),
    ],
)
def test_a_dead_link_is_found(text: str, dead: int) -> None:
    assert len(dead_links(ROOT / "README.md", text)) == dead
