"""docs/shim.md: its example runs, and it leaves out no option, reason or port."""

import re

from tests.support.dpdk_shim.shim_docs import PAGE
from tests.support.dpdk_shim.shim_wire import needs_shim


def test_the_example_runs() -> None:
    """The Python of the page, as it stands there."""
    needs_shim()
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    exec(compile(code, "docs/shim.md", "exec"), {})
