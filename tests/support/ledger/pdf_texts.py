"""The texts of a report's PDF."""

import re
import zlib

STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.S)
TEXT = re.compile(r"\(((?:[^()\\]|\\.)*)\) Tj")
NUMBER = re.compile(r"\d[\d,.]*")


def texts_of(data: bytes) -> list[str]:
    """The texts on the pages, in their order."""
    parts = [part for part in STREAM.findall(data) if part[:1] == b"x"]
    pages = [zlib.decompress(part).decode("latin-1") for part in parts]
    found = [re.sub(r"\\(.)", r"\1", text) for page in pages for text in TEXT.findall(page)]
    assert found, "no PDF with texts"
    return found


def figures(texts: list[str]) -> list[list[str]]:
    """The numbers in each text."""
    return [NUMBER.findall(text) for text in texts]
