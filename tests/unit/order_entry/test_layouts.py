"""numpy's arrays of rows and metadata are made from the layouts that kernels read."""

import numpy as np
import pytest

from openoutcry.order_entry.command_metadata import METADATA_DTYPE, CommandMetadata
from openoutcry.order_entry.rows import NUMPY_NAMES, ROW_DTYPE, OrderRow


@pytest.mark.parametrize(
    ("layout", "dtype", "names"),
    [(OrderRow, ROW_DTYPE, NUMPY_NAMES), (CommandMetadata, METADATA_DTYPE, {})],
    ids=["row", "metadata"],
)
def test_kernels_and_arrays_see_the_same_fields(layout, dtype, names):
    rows = np.zeros(1, dtype)
    block = layout(rows.ctypes.data)
    numbers = [name for name, field in layout.fields.items() if field.ctype and name != "symbol"]
    for value, name in enumerate(numbers, 1):
        setattr(block, name, value)
    assert [int(rows[names.get(name, name)][0]) for name in numbers] == [
        *range(1, len(numbers) + 1)
    ]
    assert dtype.itemsize == layout.size_bytes
    assert dtype.names is not None
    assert len(dtype.names) == len(layout.fields), "each field of the block is one of the array"
