"""The client's C header declares what the layouts say."""

from tests.support.documents import client_header


def test_what_is_generated_is_what_the_layouts_say():
    assert client_header.HEADER.read_text() == client_header.page(), (
        "run python -m tests.support.documents.client_header"
    )
