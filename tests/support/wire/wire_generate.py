"""What the tests of wire generate in several tiers share."""

from openoutcry import PACKAGE

HEADER = PACKAGE / "wire" / "outcry_wire.h"


def leaf_fields(record):
    """(name, first byte, size in bytes) of each field, as numpy lays the dtype out."""
    dtype = record.dtype()
    return [(name, dtype.fields[name][1], dtype.fields[name][0].itemsize) for name in dtype.names]
