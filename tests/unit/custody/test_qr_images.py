"""What is carried as QR images comes back as it was, or is refused by name."""

import base64
import json
import zlib
from hashlib import sha256

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.cli.custody import custody
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.qr import PART_LETTERS, document_of, parts_of

INPUTS = [[sha256(bytes([n])).hexdigest(), n, n**3] for n in range(30)]
DOCUMENT = {"fee": 7, "inputs": INPUTS}


@given(st.dictionaries(st.text(max_size=9), st.text() | st.integers()), st.randoms())
def test_parts_in_any_order_are_the_document(document, random):
    parts = parts_of(document)
    assert all(len(one) <= PART_LETTERS + 30 for one in parts)
    mixed = parts + parts[:1]
    random.shuffle(mixed)
    assert document_of(mixed) == document


def test_what_is_missing_changed_or_of_two_documents_is_refused():
    parts, others = parts_of(DOCUMENT), parts_of(DOCUMENT | {"fee": 8})
    assert len(parts) > 1
    changed = parts[0][:-1] + ("A" if parts[0][-1] != "A" else "B")
    for wrong, why in (
        (parts[1:], "image 1 of"),
        ([*parts[:-1], others[-1]], "2 documents"),
        ([], "0 documents"),
        ([*parts, "https://example.com"], "something else"),
        ([changed, *parts[1:]], "do not form"),
        ([others[0].replace(others[0][3:19], parts[0][3:19]), *parts[1:]], "do not form"),
    ):
        with pytest.raises(CustodyError, match=why):
            document_of(wrong)


@pytest.mark.parametrize("text", ["[" * 900_000, '{"a":' * 150_000, "1" * 900_000, "[]", "null"])
def test_a_document_that_no_reader_takes_is_refused_by_name(text):
    """Of its right hash, as a thief of the machine that makes the images can do."""
    data = text.encode()
    packed = base64.b32encode(zlib.compress(data, 9)).decode()
    name = sha256(data).hexdigest()[:16].upper()
    cut = [packed[at : at + PART_LETTERS] for at in range(0, len(packed), PART_LETTERS)]
    parts = [f"OC:{name}:{n}:{len(cut)}:{one}" for n, one in enumerate(cut, 1)]
    if text == "[]":
        assert document_of(parts) == {}
        return
    with pytest.raises(CustodyError, match="do not form"):
        document_of(parts)


def test_the_images_are_read_by_another_program_also_turned_and_smaller(tmp_path):
    """By zxing-cpp, which shares nothing with what drew them."""
    for module in ("segno", "zxingcpp", "PIL"):
        pytest.importorskip(module)
    from PIL import Image

    (tmp_path / "unsigned.json").write_text(json.dumps(DOCUMENT))

    def run(*words, code=0):
        done = CliRunner().invoke(custody, ["cold", *map(str, words)])
        assert done.exit_code == code, done.output
        return done.output or str(done.exception)

    said = run("show", tmp_path / "unsigned.json", tmp_path / "images")
    paths = sorted((tmp_path / "images").glob("*.png"))
    assert said.split() == [str(one) for one in paths]
    with Image.open(paths[0]) as image:
        width = image.width * 2 // 3
        turned = image.convert("L").resize((width, width)).rotate(5, expand=True, fillcolor=255)
        turned.save(paths[0])
    run("scan", *reversed(paths), "--out", tmp_path / "carried.json")
    assert json.loads((tmp_path / "carried.json").read_text()) == DOCUMENT
    assert "is missing" in run("scan", paths[0], "--out", tmp_path / "part.json", code=1)
    Image.new("L", (90, 90), 255).save(tmp_path / "empty.png")
    assert "no QR code" in run("scan", tmp_path / "empty.png", "--out", tmp_path / "x", code=1)
