"""Each kind of user has a page with the five commands he needs, and all of them are run here, with
fewer orders and rounds."""

from tests.support.documents.user_pages import PAGES
from tests.support.user_commands import (
    DOCS,
    ROOT,
    commands,
)


def test_each_kind_of_user_has_a_page_with_five_commands() -> None:
    users = ("benchmarkers", "contributors", "hardware-engineers", "operators", "participants")
    assert [f"for-{user}.md" for user in users] == PAGES
    assert {page: len(commands(page)) for page in PAGES} == dict.fromkeys(PAGES, 5)
    index, readme = (DOCS / "index.md").read_text(), (ROOT / "README.md").read_text()
    assert all(f"({page})" in index and f"(docs/{page})" in readme for page in PAGES)
