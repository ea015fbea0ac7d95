"""The risk state of a run that is under way, as others see it."""

from itertools import count

import numpy as np

from openoutcry.ring import ProcessIdentity, Segment
from openoutcry.ring.segment import segment_name
from openoutcry.risk.joined import view_of
from openoutcry.risk.region import View
from openoutcry.runtime.shared import region_name
from openoutcry.wire import OutcryError


def risk_state(owner: ProcessIdentity) -> View | None:
    """Return the risk state of this supervisor's run, of all its matchers, read-only; None if it
    has none."""
    regions = []
    for shard in count():
        try:
            name = segment_name(owner, region_name(shard))
            segment = Segment.attach(name, read_only=True)
        except OutcryError:
            break
        regions.append(segment.words(0, segment.size_bytes // 8).view(np.uint8))
    try:
        return view_of(regions) if regions else None
    except OutcryError:
        return None
