"""``python -m openoutcry``: the ``outcry`` command."""

import sys

try:
    from openoutcry.cli.main import main
except KeyboardInterrupt:
    # Control-C before click is there to answer it: in its words and with its status.
    sys.stderr.write("Aborted!\n")
    if "--json" in sys.argv:
        sys.stdout.write('{"error": "Aborted!"}\n')
    sys.exit(1)

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="outcry")
