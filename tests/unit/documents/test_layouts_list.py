"""Every field of a block of memory is listed, with what it means."""

from tests.support.documents.layouts import blocks, listing


def test_a_block_is_listed_by_its_name_or_module() -> None:
    """One line for each field, in the order of their offsets."""
    text = listing(["RingHandle"])
    assert text.splitlines()[0] == "ring/handles.py"
    assert "RingHandle, 88 bytes." in text
    assert "ProducerHandle" not in text
    offsets = [int(line.split()[0]) for line in text.splitlines() if line.startswith("      ")]
    assert offsets == sorted(offsets)
    assert len(offsets) == 7
    assert "ProducerHandle" in listing(["ring/handles"])
    assert listing(["NoSuchBlock"]) == ""


def test_every_field_says_what_it_means() -> None:
    unsaid = [
        f"{block.__name__}.{name}"
        for block in blocks()
        for name, field in block.fields.items()
        if not field.doc
    ]
    assert not unsaid, "say unit and meaning in the field's first argument"
