"""What the site's hook makes of blocks that a browser without scripts would show badly."""

import re
import runpy
from types import SimpleNamespace
from typing import Any

from tests import ROOT

HOOK = runpy.run_path(str(ROOT / "scripts" / "site_pages.py"))


def shown(markdown: str) -> str:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="fpga.md"))
    text: str = HOOK["on_page_markdown"](markdown, page)
    return text


def test_a_block_of_commands_is_shell_without_prompts() -> None:
    block = "```console\n# until Control-C\n$ outcry serve venue.toml\n\n$ outcry top\n```\n"
    expected = "```sh\n# until Control-C\noutcry serve venue.toml\n\noutcry top\n```\n"
    assert shown(block) == expected


def test_a_block_that_shows_output_keeps_its_prompts() -> None:
    block = "```console\n$ outcry venue check venue.toml\nvenue.toml: no mistake\n```\n"
    assert shown(block) == block


def test_a_flowchart_is_a_line_for_each_edge() -> None:
    page = (ROOT / "docs" / "fpga.md").read_text()
    assert "```mermaid" in page
    text = shown(page)
    assert "```mermaid" not in text
    assert "s_axis_tdata ──► timestamp (outcry_timestamp)" in text
    assert (
        "timestamp (outcry_timestamp) ── stamped_tdata ──► parser (outcry_udp_parser)"
        in text.splitlines()
    )


def test_a_block_of_a_protocol_and_its_version_stays_a_block() -> None:
    """Markdown knows a block by one word; with two its lines would be a paragraph."""
    block = "```ouch 4.2\n> O token=A\n< A token=A\n```\n"
    assert shown(block) == block.replace("ouch 4.2", "ouch")
    assert "```prompt 4.2" in (page := (ROOT / "docs" / "order-entry.md").read_text())
    assert not re.findall(r"^```\w+ .*$", shown(page), re.MULTILINE)
