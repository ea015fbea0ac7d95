"""``python -m openoutcry``: the ``outcry`` command."""

from openoutcry.early import leaving_at_once

with leaving_at_once():
    from openoutcry.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="outcry")
