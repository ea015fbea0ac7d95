"""tests/support/documents/prose.py: texts, findings and allowances."""

import tomllib
from pathlib import Path

import pytest

from tests.support.documents import prose
from tests.support.documents.prose import Rules, Text, compare, sentences, shrunk, texts_of

PAGE = """---
title: none of it
---
# A title

Nobody reads `whoever` here: see [a page](whoever.md).

```console
$ whoever
```

| a cell | anew |
|---|---|
| one | two |

<!-- nobody -->
"""
MODULE = '''
"""A module.

It stands anew.

    anew anew
>>> anew()
"""
# A comment that goes
# on for two lines.
option(help="Tell nobody.")
echo(f"{1} goes on")


def kernel() -> None:
    """Do it."""
    raise ValueError(f"{1} is told")
'''


def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> list[Text]:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / name).write_text(text)
    return list(texts_of(name))


def test_a_page_is_read_without_code(tmp_path, monkeypatch):
    texts = read(tmp_path, monkeypatch, "page.md", PAGE)
    assert [one.text for one in texts] == [
        "A title",
        "Nobody reads code here: see a page.",
        "a cell",
        "anew",
        "one",
        "two",
    ]
    assert (texts[0].line, texts[1].line) == (4, 6)


def test_a_module_is_read_by_docstrings_helps_messages_and_comments(tmp_path, monkeypatch):
    texts = read(tmp_path, monkeypatch, "module.py", MODULE)
    assert sorted(one.text for one in texts) == [
        "A comment that goes on for two lines.",
        "A module.",
        "Do it.",
        "It stands anew.",
        "Tell nobody.",
        "code goes on",
        "code is told",
    ]


LISTS = '''"""A module.  It causes

- one event for every order
  that trades;
- 2 for the others:

name      what it is
number    where it is

\b
outcry run
outcry run --journal DIR
"""
'''


def test_a_list_item_and_a_tables_row_are_paragraphs(tmp_path, monkeypatch):
    texts = read(tmp_path, monkeypatch, "module.py", LISTS)
    assert [one.text for one in texts] == [
        "A module.  It causes",
        "- one event for every order that trades;",
        "- 2 for the others:",
        "name      what it is",
        "number    where it is",
    ]


def test_sentences_end_before_a_capital():
    assert sentences("Up to 1.5 s. It ends at e.g. noon. (It does.) So") == [
        "Up to 1.5 s.",
        "It ends at e.g. noon.",
        "(It does.)",
        "So",
    ]


def test_an_allowance_is_neither_exceeded_nor_kept():
    allowed = {"a.md": 2, "b": 1, "gone": 3}
    found = {"a.md": 1, "b": 4, "new": 1}
    assert [line.partition(":")[0] for line in compare(found, allowed)] == [
        "a.md",
        "b",
        "gone",
        "new",
    ]
    assert shrunk(found, allowed) == {"a.md": 1, "b": 1}
    assert compare(allowed, allowed) == []


def test_the_allowances_name_pages_and_rooms():
    allowed = tomllib.loads(prose.ALLOWED.read_text())
    assert set(allowed) <= {*prose.pages(), *prose.rooms()}
    assert all(count > 0 for count in allowed.values())


def test_phrases_and_long_sentences_are_found():
    pytest.importorskip("proselint", reason="comes with the extra test")
    rules = Rules(tomllib.loads(prose.RULES.read_text()))

    def found(text: str) -> list[str]:
        return [one.what for one in rules.findings(Text("a.md", 1, text))]

    assert found("The gateway rejects the order, and the participant who is known sees it.") == []
    assert found("Whoever asks is told.") == [
        "'is told': write is reported to, is logged, receives",
        "'Whoever': write the actor's name",
    ]
    (long,) = found(" ".join(["word"] * 31) + ".")
    assert long.startswith("31 words in a sentence: word word")
    assert found(" ".join(["word"] * 30) + ".") == []
