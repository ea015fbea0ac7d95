"""What the portal shows of itself over HTTP, at every kind of address."""

import httpx
import pytest

from tests.support.waiting import BOUND_S

KINDS = {
    "/": "text/html; charset=utf-8",
    "/page/page.js": "text/javascript; charset=utf-8",
    "/v1/time": "application/json",
    "/v1/me": "application/problem+json",
    "/v1/openapi.json": "application/json",
    "/api/v3/ping": "application/json;charset=UTF-8",
    "/api/v3/account": "application/json;charset=UTF-8",
    "/nowhere": "application/problem+json",
    "/.git/config": "application/problem+json",
    "/page/../portal.key": "application/problem+json",
    "/page/%2e%2e/%2e%2e/portal.key": "application/problem+json",
}
METHODS = ("TRACE", "OPTIONS", "PATCH", "PROPFIND")


@pytest.mark.promise(
    "V13.1, V13.2.5, V14.3, V14.5 (surface): bytes that two readers may cut into different "
    "requests, bodies of another kind and other methods are refused. No version, debug page "
    "or listing is shown",
    group="portal",
)
def test_no_address_shows_more_than_its_answer(portal_venue):
    headers = {"origin": "https://evil.example"}
    with httpx.Client(base_url=portal_venue.url, timeout=BOUND_S, headers=headers) as client:
        for path, kind in KINDS.items():
            answer = client.get(path)
            assert answer.headers["content-type"] == kind, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            shown = {name for name in answer.headers if name.startswith("access-control")}
            assert not shown | ({"server", "x-powered-by"} & set(answer.headers)), path
            for word in ("Traceback", "uvicorn", "python", "postgres"):
                assert word.lower() not in answer.text.lower() or answer.status_code == 200, path
        for method in METHODS:
            for path in ("/v1/time", "/api/v3/ping", "/nowhere"):
                answer = client.request(method, path)
                assert answer.status_code in (404, 405), (method, path)
        assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


@pytest.mark.promise(
    "V13.1, V13.2.5, V14.3, V14.5 (surface): bytes that two readers may cut into different "
    "requests, bodies of another kind and other methods are refused. No version, debug page "
    "or listing is shown",
    group="portal",
)
def test_a_body_of_another_kind_is_refused(portal_venue):
    with httpx.Client(base_url=portal_venue.url, timeout=BOUND_S) as client:
        body = b'{"mail": "kind@example.com", "password": "seven crooked ladders"}'
        for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", ""):
            headers = {"content-type": kind} if kind else {}
            answer = client.post("/v1/register", content=body, headers=headers)
            assert answer.status_code in (415, 422), kind
            assert answer.headers["content-type"] == "application/problem+json"
        answer = client.post("/v1/register", data={"mail": "kind@example.com"})
        assert answer.status_code in (415, 422)
