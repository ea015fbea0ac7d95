"""What the documentation's site needs beyond ``docs/`` (a hook of mkdocs.yml).

Documents at the root of the repository become pages, and a link to a source file becomes the
file's path: the site stands for itself and has no sources to link to.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
AT_ROOT = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s:]+)\)")
"""A link, not a picture."""


def on_files(files: Any, config: Any, **_: Any) -> Any:
    for name, page in AT_ROOT.items():
        if page != "index.md":
            content = (ROOT / name).read_text()
            files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as seen from ``docs/``, where the site's pages are."""
    uri = page.file.src_uri
    folder = (
        "" if uri in AT_ROOT.values() and uri != "index.md" else posixpath.dirname(f"docs/{uri}")
    )

    def point(match: re.Match[str]) -> str:
        text, (target, _, anchor) = match[1], match[2].partition("#")
        if not target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        inside = AT_ROOT.get(path) or (path.startswith("docs/") and path.removeprefix("docs/"))
        if not inside or not inside.endswith(".md"):
            name = f"`{path}`"
            return name if text.strip("`") in path else f"{text} ({name})"
        back = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
        return f"[{text}]({back}{'#' + anchor if anchor else ''})"

    return LINK.sub(point, markdown)
