"""Write a file beside where it is to stand, in a new folder that is ours alone.

In a folder that is shared (as /tmp is) another user may have made a link under whatever name can be
guessed: it would lead what is written to a file of ours.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(out: Path) -> Iterator[Path]:
    """A path to write at; what is there when the block ends without an error becomes ``out``,
    replacing what stood there.  Otherwise nothing is left.

    Raises ``OSError`` as the system does.
    """
    folder = Path(tempfile.mkdtemp(prefix=".outcry-", dir=out.absolute().parent))
    try:
        part = folder / out.name
        yield part
        os.replace(part, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
