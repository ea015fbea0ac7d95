"""What the documentation's site needs beyond ``docs/`` (a hook of mkdocs.yml).

Documents at the root of the repository become pages, and a link to a source file becomes the
file's path, because the site has no sources to link to.  Blocks of commands are shown as shell, so
that a comment looks like one, and a flowchart as lines of text, because a page loads no script that
draws it.
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
CONSOLE = re.compile(r"^```console\n((?:(?:\$ |# ).*\n|\n)+)```$", re.M)
"""A block of commands and comments, without what they print."""
PROMPT = re.compile(r"^\$ ", re.M)
TWO_WORDS = re.compile(r"^```(\w+) \S.*$", re.M)
"""A block of a language and its version, which the site would not take for a block."""
FLOWCHART = re.compile(r"^```mermaid\nflowchart LR\n(.*?)```$", re.M | re.S)
NODE = re.compile(r'^ *(\w+)\["\w+<br/>(\w+)"\]$', re.M)
EDGE = re.compile(r"^ *(\w+) -->(?:\|(\w+)\|)? (\w+)$", re.M)


def on_files(files: Any, config: Any, **_: Any) -> Any:
    for name, page in AT_ROOT.items():
        if page != "index.md":
            content = (ROOT / name).read_text()
            files.append(File.generated(config, page, content=content))
    return files


def _shell(match: re.Match[str]) -> str:
    commands = PROMPT.sub("", match[1])
    return f"```sh\n{commands}```"


def _lines(match: re.Match[str]) -> str:
    """Each edge of a flowchart in a line of text."""
    modules = dict(NODE.findall(match[1]))

    def named(node: str) -> str:
        return f"{node} ({modules[node]})" if node in modules else node

    edges = [
        f"{named(start)} ──{f' {label} ──' if label and label != start else ''}► {named(end)}"
        for start, label, end in EDGE.findall(match[1])
    ]
    return "\n".join(["```text", *edges, "```"])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as seen from ``docs/``, where the site's pages are; blocks as the site shows them."""
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

    shown = TWO_WORDS.sub(r"```\1", LINK.sub(point, markdown))
    return FLOWCHART.sub(_lines, CONSOLE.sub(_shell, shown))
