"""The table of docs/shared-memory.md: the fields of each request, from ``FIELDS_OF``.

``python -m tests.support.order_entry.shm_fields`` writes it; a test compares.
"""

from openoutcry.order_entry.shm_layout import FIELDS_OF
from openoutcry.report.documents import fill, table
from tests import ROOT

PAGE = ROOT / "docs" / "shared-memory.md"


def filled(text: str) -> str:
    """The page with the fields as the venue reads them."""
    rows = [
        (f"`{kind.name}`", " ".join(f"`{name}`" for name in ["participant", *fields.split()]))
        for kind, fields in FIELDS_OF.items()
    ]
    return fill(text, "fields", lambda _: table("| request | fields that it has |", rows))


def main() -> None:
    """Write the table."""
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
