"""docs/layouts.md is what the layouts say."""

from tests.support.documents.layouts import PAGE, blocks, page


def test_the_page_is_what_the_layouts_say() -> None:
    """``python -m tests.support.documents.layouts`` writes it."""
    assert PAGE.read_text() == page()


def test_every_field_says_what_it_means() -> None:
    unsaid = [
        f"{block.__name__}.{name}"
        for block in blocks()
        for name, field in block.fields.items()
        if not field.doc
    ]
    assert not unsaid
