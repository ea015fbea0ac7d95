"""The portal's client: answers that are not the portal's."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.portal_models import OrderRow
from openoutcry.client.waiting import ClientError


class Answering(PortalClient):
    """Is answered with the same bytes each time."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answer = status, body

    def _answered(self, *_: object) -> tuple[int, bytes]:
        return self.answer


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"<html>", "status 502 without JSON"),
        (502, b"[]", "status 502 without a problem"),
        (500, b"null", "status 500 without a problem"),
        (200, b"17", "status 200 with another answer"),
        (200, b"{}", "status 200 with another answer"),
    ],
)
def test_an_answer_of_another_server_is_an_error_of_the_client(status, body, said):
    with pytest.raises(ClientError, match=f"GET /v1/orders/1: {said}"):
        Answering(status, body).ask("GET", "/v1/orders/1", OrderRow)


def test_a_problem_has_its_code():
    body = b'{"code": "unknown_order", "detail": "there is no such order"}'
    with pytest.raises(PortalError, match="unknown_order: there is no such order") as raised:
        Answering(404, body).ask("GET", "/v1/orders/1", OrderRow)
    assert raised.value.status == 404


class Asking(PortalClient):
    """Notes what it would send, and gets an empty object each time."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.sent: list[tuple[str, str, bytes]] = []

    def _answered(self, method, target, content, headers):
        self.sent.append((method, target, content))
        return 200, b'{"status": "done", "access_token": "a", "refresh_token": "", "expires_in": 9}'


@pytest.mark.parametrize(
    ("ask", "sent"),
    [
        (lambda c: c.end_session("a/b"), ("DELETE", "/v1/sessions/a%2Fb", b"")),
        (lambda c: c.log_out(key="k"), ("POST", "/v1/logout", b"")),
        (lambda c: c.undo("x"), ("POST", "/v1/undo", b'{"token": "x"}')),
        (lambda c: c.statement(from_="d"), ("GET", "/v1/statements?from=d&format=pdf", b"")),
        (lambda c: c.upload_paper("pass", b"%"), ("POST", "/v1/identity/papers?kind=pass", b"%")),
    ],
)
def test_a_method_asks_what_its_signature_says(ask, sent):
    client = Asking()
    ask(client)
    assert client.sent == [sent]


def test_later_requests_carry_the_tokens_of_a_session():
    client = Asking()
    assert client.refresh("c").access_token == "a"
    assert client.proof("GET", "/v1/me") == {"authorization": "Bearer a"}
