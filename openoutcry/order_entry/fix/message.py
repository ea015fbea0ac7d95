"""The memory of a parsed message: what every tag is, and why messages are refused."""

import numpy as np
import numpy.typing as npt

from openoutcry.order_entry.fix import groups, instructions, refusals, words
from openoutcry.order_entry.fix.words import FixFields


def make_fields() -> npt.NDArray[np.uint8]:
    """The memory of a parsed message."""
    fields = np.zeros(words.FIELDS_BYTES + 64, np.uint8)
    fields[words.CLASSES : words.CLASSES + words.TAGS] = words.ANY_TAG
    fields[words.CLASSES + words.LAST_TAG + 1 : words.CLASSES + words.TAGS] |= words.UNKNOWN_TAG
    own = [slot for _, slot in words.SLOTS]
    fields[[words.CLASSES + slot for slot in own]] = words.ANY_TAG | words.SINGLE_TAG
    for tag in words.HEADER_TAGS:
        fields[words.CLASSES + tag] |= words.HEADER_TAG | words.SINGLE_TAG
    for tag in words.SINGLE_TAGS:
        fields[words.CLASSES + tag] |= words.SINGLE_TAG
    for tag, length in words.DATA_TAGS.items():
        fields[words.CLASSES + tag] |= words.DATA_TAG
        fields[words.CLASSES + length] |= words.LENGTH_TAG
    for count, members in groups.GROUPS.items():
        fields[words.CLASSES + count] |= words.COUNT_TAG
        fields[[words.CLASSES + tag for tag in members]] &= ~np.uint8(words.SINGLE_TAG)
        for tag in set(members) - groups.ELSEWHERE:
            fields[words.CLASSES + tag] |= words.MEMBER_TAG
    taken = instructions.table().view(np.uint8)
    fields[words.TAKEN : words.TAKEN + len(taken)] = taken
    assert FixFields.offset("taken") >= words.GROUPS + groups.TABLE_BYTES, "tables overlap"
    fields[words.GROUPS : words.GROUPS + groups.TABLE_BYTES] = groups.table().view(np.uint8)
    reasons = refusals.rows()
    fields[words.REASONS : words.REASONS + len(reasons)] = np.frombuffer(reasons, np.uint8)
    return fields
