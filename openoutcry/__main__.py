"""``python -m openoutcry``: the ``outcry`` command."""

from openoutcry.cli.main import main

if __name__ == "__main__":
    main(prog_name="outcry")
