"""What a script that has got into a page tries, and a site of another origin that waits for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.console.console_browser import WAIT_MS

TRIES = """async ([foreign, wanted]) => {
  const blocked = new Set(), hits = (window.hits = []);
  const enough = new Promise((done) => {
    document.addEventListener("securitypolicyviolation", (event) => {
      blocked.add(event.effectiveDirective);
      if (wanted.every((one) => blocked.has(one))) done();
    });
  });
  const attempt = (act) => { try { act(); } catch (error) { /* refused: what is wanted */ } };
  const put = (tag, fields) => attempt(() => {
    const one = document.createElement(tag);
    for (const [name, value] of Object.entries(fields)) attempt(() => { one[name] = value; });
    document.body.append(one);
    if (tag === "form") one.submit();
    if (tag === "a") one.click();
  });
  put("script", { textContent: "window.hits.push('an inline script')" });
  put("script", { src: `${foreign}/script.js` });
  put("iframe", { src: `${foreign}/frame` });
  put("img", { src: `${foreign}/image` });
  put("link", { rel: "stylesheet", href: `${foreign}/style.css` });
  put("object", { data: `${foreign}/object` });
  put("form", { action: `${foreign}/form`, method: "post" });
  put("a", { href: "javascript:window.hits.push('a URL')" });
  attempt(() => { document.body.insertAdjacentHTML("beforeend",
    `<img src="${foreign}/markup" onerror="window.hits.push('a handler')">`); });
  attempt(() => { document.body.setAttribute("onclick", "window.hits.push('an attribute')");
    document.body.dispatchEvent(new Event("click")); });
  attempt(() => { fetch(`${foreign}/fetch`, { mode: "no-cors" }).catch(() => 0); });
  attempt(() => { new WebSocket(`${foreign.replace("http", "ws")}/socket`); });
  attempt(() => { navigator.sendBeacon(`${foreign}/beacon`, "x"); });
  // Not within evaluate(), whose own code no policy binds.
  setTimeout(() => {
    attempt(() => { (0, eval)("window.hits.push('eval')"); });
    attempt(() => { new Function("window.hits.push('Function')")(); });
    attempt(() => { setTimeout("window.hits.push('a text of setTimeout')", 0); });
  }, 0);
  await Promise.race([enough, new Promise((done) => setTimeout(done, 60_000))]);
  return [[...blocked].sort(), hits];
}"""
WANTED = (
    "script-src-elem", "frame-src", "img-src", "style-src-elem", "form-action", "connect-src",
)  # fmt: skip
"""The directives that must have refused something."""


class Foreign:
    """A site of another origin; ``asked``: what came to it."""

    def __init__(self, url: str, asked: list[str]) -> None:
        self.url, self.asked = url, asked
        self.framed = ""
        """What its page shows in a frame."""


@contextmanager
def foreign_site() -> Iterator[Foreign]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            body = f'<iframe src="{site.framed}"></iframe>'.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nowhere."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Foreign(f"http://127.0.0.1:{server.server_port}", [])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def watched_by_nobody(browser: Any, url: str) -> Iterator[Any]:
    """A page whose console and requests, which have each try that is refused, are not judged."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(url)
        yield page
    finally:
        context.close()


def attack(page: Any, site: Foreign, of_code: str) -> None:
    """Nothing of another origin is reached, and no text runs.  ``of_code``: the directive that
    refuses to make code from text."""
    before, wanted = page.url, [*WANTED, of_code]
    blocked, hits = page.evaluate(TRIES, [site.url, wanted])
    assert set(wanted) <= set(blocked)
    assert hits == []
    assert page.evaluate("window.hits") == []
    assert page.url == before
    assert site.asked == []


def is_framed(browser: Any, site: Foreign, url: str) -> bool:
    """Whether a page of the other site shows this one in a frame."""
    site.framed = url
    with watched_by_nobody(browser, site.url) as page:
        (frame,) = page.main_frame.child_frames
        frame.wait_for_load_state()
        return not frame.url.startswith("chrome-error:")
