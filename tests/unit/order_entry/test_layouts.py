"""What is kept of rows and metadata is declared twice: for kernels, and for numpy's arrays."""

import pytest

from openoutcry.order_entry.command_metadata import METADATA_DTYPE, CommandMetadata
from openoutcry.order_entry.rows import ROW_DTYPE, OrderRow


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [(OrderRow, ROW_DTYPE), (CommandMetadata, METADATA_DTYPE)],
    ids=["row", "metadata"],
)
def test_kernels_and_arrays_see_the_same_fields(layout, dtype):
    places = {(place, of.itemsize) for of, place, *_ in dtype.fields.values()}
    assert {(one.offset, one.size_bytes) for one in layout.fields.values()} <= places
    assert layout.size_bytes == dtype.itemsize
