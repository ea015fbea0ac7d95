"""``make check``: the system tier, in which a test that fails runs once more, alone.

    python -m tests.support.check [ARGUMENTS OF PYTEST]

If it then passes, the check succeeds and names the test: a test that fails by chance is a defect to
mend before the next issue is closed.  ``build/flaky.json`` lists these tests.
"""

import json
import os
import subprocess
import sys

from tests import ROOT
from tests.support.workers import workers_here

FAILURES, FLAKY = ROOT / "build" / "failures.json", ROOT / "build" / "flaky.json"


def pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode


def main(arguments: list[str]) -> int:
    FAILURES.unlink(missing_ok=True)
    FLAKY.unlink(missing_ok=True)
    workers = os.environ.get("WORKERS") or str(workers_here())
    status = pytest(
        *(arguments or ["tests/system"]),
        "-n",
        workers,
        "--dist",
        "loadgroup",
        "--max-worker-restart",
        "0",
        f"--failures={FAILURES}",
        "-o",
        "faulthandler_timeout=1200",
        "-o",
        "faulthandler_exit_on_timeout=true",
    )
    if status not in (0, 1) or not FAILURES.exists():
        return status or 1
    failed = json.loads(FAILURES.read_text())
    if status == 1 and not failed:
        return 1
    if failed:
        print(f"\n{len(failed)} failed; each runs once more, alone.", flush=True)
    flaky = [test for test in failed if pytest(test) == 0]
    FLAKY.write_text(json.dumps(flaky, indent=1) + "\n")
    for test in flaky:
        print(f"flaky: {test}")
    for test in sorted(set(failed) - set(flaky)):
        print(f"failed: {test}")
    return int(len(flaky) < len(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
