"""Documents of the cold wallet as QR images: what goes over the air gap is seen, not plugged in.

A document is compressed and cut into numbered parts, one an image.  Each part has the document's
hash, so parts of two documents, and a part that is missing or changed, are noticed.
"""

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError
from openoutcry.wire.extras import need

PART_LETTERS, MAX_PARTS = 600, 99
MAX_BYTES = 1_000_000
PART = re.compile(r"OC:([0-9A-F]{16}):([0-9]{1,2}):([0-9]{1,2}):([A-Z2-7=]*)")
_WHY = "QR images need segno and zxing-cpp"


def parts_of(document: dict[str, Any]) -> list[str]:
    """The texts of the images, in letters that QR codes have a short form for.  Raises
    :class:`CustodyError`."""
    data = json.dumps(document, separators=(",", ":")).encode()
    text = base64.b32encode(zlib.compress(data, 9)).decode()
    count = -(-len(text) // PART_LETTERS)
    if count > MAX_PARTS or len(data) > MAX_BYTES:
        raise CustodyError(f"the document would be {count} images; carry it as a file")
    cut = [text[at : at + PART_LETTERS] for at in range(0, len(text), PART_LETTERS)]
    return [f"OC:{_hash(data)}:{n}:{count}:{one}" for n, one in enumerate(cut, 1)]


def document_of(parts: Iterable[str]) -> dict[str, Any]:
    """The document of all its parts, in any order.  Raises :class:`CustodyError`."""
    found, names = dict[int, str](), set[tuple[str, int]]()
    for part in parts:
        match = PART.fullmatch(part.strip())
        if match is None:
            raise CustodyError("an image has something else than a part of a document")
        names.add((match[1], int(match[3])))
        found[int(match[2])] = match[4]
    if len(names) != 1:
        raise CustodyError(f"the images are of {len(names)} documents, not of one")
    ((name, count),) = names
    missing = sorted(set(range(1, count + 1)) - set(found))
    if missing:
        raise CustodyError(f"image {missing[0]} of {count} is missing")
    try:
        packed = base64.b32decode("".join(found[n] for n in range(1, count + 1)))
        data = zlib.decompressobj().decompress(packed, MAX_BYTES)
        document = dict(json.loads(data))
    except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError) as error:
        raise CustodyError(f"the images do not form a document: {error}") from None
    if _hash(data) != name:
        raise CustodyError("the images do not form the document that they name")
    return document


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16].upper()


def write_images(document: dict[str, Any], folder: Path) -> list[Path]:
    """One image for each part, in a new folder."""
    segno = need("segno", _WHY, "custody")
    parts = parts_of(document)
    folder.mkdir(mode=0o700)
    paths = [folder / f"{n}-of-{len(parts)}.png" for n in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        segno.make_qr(part, error="m").save(str(path), scale=6)
    return paths


def read_images(paths: Sequence[Path]) -> dict[str, Any]:
    """The document in images, as photographs.  Raises :class:`CustodyError`."""
    reader, images = need("zxingcpp", _WHY, "custody"), need("PIL.Image", _WHY, "custody")
    parts: list[str] = []
    for path in paths:
        try:
            with images.open(path) as image:
                codes = reader.read_barcodes(image.convert("L"))
        except (OSError, ValueError, images.DecompressionBombError) as error:
            raise CustodyError(f"{path}: {error}") from None
        if not codes:
            raise CustodyError(f"{path}: there is no QR code that can be read")
        parts += [code.text for code in codes]
    return document_of(parts)
