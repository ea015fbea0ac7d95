"""The page's files, read once: nothing that a request names is looked up on the disk."""

import gzip
import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.operations.web_server import VENDOR

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types outcry"
)
"""No script, style or request of another origin, and no text that becomes markup or code: the page
makes URLs of scripts by one policy, which knows two of them."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-cache",
}
PLACE = "{{portal}}"
"""In the page: what this portal offers."""


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    tag: str
    media_type: str


def page_file(body: bytes, suffix: str) -> PageFile:
    """A file ready to send: packed with gzip, with an ETag of its content.

    ``suffix``: a key of ``TYPES``, with its dot."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return PageFile(body, gzip.compress(body, 6, mtime=0), tag, TYPES[suffix])


def read_files(offers: dict[str, Any]) -> dict[str, PageFile]:
    """Every file by its path; ``offers``: what the page needs to know of this portal."""
    paths = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*")}
    paths |= {f"vendor/{path.name}": path for path in VENDOR.glob("lightweight-charts.*")}
    found = {
        f"/page/{name}": page_file(path.read_bytes(), path.suffix)
        for name, path in sorted(paths.items())
        if path.is_file() and path.suffix in TYPES
    }
    text = found.pop("/page/index.html").body.decode()
    shown = text.replace(PLACE, html.escape(json.dumps(offers), quote=True))
    # A worker serves the folder that it lies in, and those below.
    found["/worker.js"] = found.pop("/page/worker.js")
    return found | {"/": page_file(shown.encode(), ".html")}
