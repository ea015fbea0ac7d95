"""The routes of the page: its files, and the cookie that holds a session's refresh token.

A browser keeps the refresh token in a cookie that no script reads; scripts have the access token,
in memory alone.  A cookie is sent with every request.  So the requests that use it need a
header that a page of another origin cannot send, and an ``Origin`` that is this one's.
"""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from openoutcry.portal.accounts.accounts import REFRESH, Accounts
from openoutcry.portal.accounts.errors import AccountError, NotLoggedIn
from openoutcry.portal.accounts.routes import caller_of, problem
from openoutcry.portal.body import Body
from openoutcry.portal.page.files import HEADERS, PageFile, read_files

COOKIE, PATH = "outcry_session", "/page/session"
KEPT, OF_THE_BROWSER = "k", "s"
"""First letter of the cookie: it lasts as long as the refresh token, or as long as the browser."""
GUARD = "x-outcry-page"


@dataclass
class NewSession(Body):
    """``keep``: after the browser was closed, too."""

    refresh_token: str
    keep: bool = False


class Forged(AccountError):
    """A request that changes something comes from a page of another origin."""

    status, code = 403, "forbidden"


def require_own_page(request: Any) -> None:
    """Raises :class:`Forged`."""
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    try:
        other = origin is not None and urlsplit(origin).netloc != host
    except ValueError:
        other = True
    if other or request.headers.get(GUARD) != "1":
        raise Forged("the request comes from a page of another origin")


def sent(request: Any, file: PageFile) -> Any:
    """The file, packed where the browser unpacks it; nothing where it has it."""
    from fastapi import Response

    headers = HEADERS | {"etag": file.tag, "vary": "accept-encoding"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(file.packed, 200, headers, file.media_type)
    return Response(file.body, 200, headers, file.media_type)


def add_page(app: Any, accounts: Accounts, offers: dict[str, Any]) -> None:
    """Add every route to an application of FastAPI."""
    from fastapi import Request

    files = read_files(offers)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Any:
        return sent(request, files["/"])

    @app.get("/worker.js", include_in_schema=False)
    async def worker(request: Request) -> Any:
        return sent(request, files["/worker.js"])

    _add_session(app, accounts)

    @app.get("/page/{path:path}", include_in_schema=False)
    async def page_file(path: str, request: Request) -> Any:
        file = files.get(f"/page/{path}")
        if file is None:
            return problem(404, "not_found", "there is nothing at this path")
        return sent(request, file)


def _add_session(app: Any, accounts: Accounts) -> None:
    from fastapi import Request, Response

    def set_cookie(request: Request, response: Response, kind: str, token: str) -> None:
        response.set_cookie(
            COOKIE,
            kind + token,
            max_age=int(REFRESH.total_seconds()) if kind == KEPT else None,
            path=PATH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    @app.post(PATH, status_code=204, include_in_schema=False)
    async def keep(body: NewSession, request: Request, response: Response) -> None:
        require_own_page(request)
        kind = KEPT if body.keep else OF_THE_BROWSER
        set_cookie(request, response, kind, body.refresh_token)

    @app.post(f"{PATH}/refresh", include_in_schema=False)
    async def refresh(request: Request, response: Response) -> Any:
        """Another access token.  The page asks for one at a time, in all of its windows."""
        require_own_page(request)
        cookie = request.cookies.get(COOKIE, "")
        kind, token = cookie[:1], cookie[1:]
        if not token:
            raise NotLoggedIn("log in")
        try:
            pair = asdict(await accounts.refresh(token, caller_of(request)))
        except NotLoggedIn as error:
            answer = problem(error.status, error.code, str(error))
            answer.delete_cookie(COOKIE, path=PATH)
            return answer
        set_cookie(request, response, kind, pair.pop("refresh_token"))
        return pair

    @app.delete(PATH, status_code=204, include_in_schema=False)
    async def forget(request: Request, response: Response) -> None:
        require_own_page(request)
        response.delete_cookie(COOKIE, path=PATH)
