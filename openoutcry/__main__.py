"""``python -m openoutcry``: the ``outcry`` command."""

import os
import sys

# Nothing here multiplies matrices, and OpenBLAS, which numpy has with it, starts a thread for each
# further core: a seventh of the processor time of a start on two, on cores that stages are to have.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    from openoutcry.early import hide_secrets, leaving_at_once

    hide_secrets(sys.argv[1:])
    if os.environ.get("OUTCRY_HIDDEN"):
        from openoutcry.host.processes import hide_memory

        hide_memory()
    with leaving_at_once():
        from openoutcry.cli.main import main
except KeyboardInterrupt:
    # Before there was a handler: in the same words.
    sys.stderr.write("Aborted!\n")
    if "--json" in sys.argv:
        sys.stdout.write('{"error": "Aborted!"}\n')
    sys.exit(1)

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="outcry")
