"""Measure two checkouts in alternation, for `outcry bench compare`:

    python scripts/bench_interleaved.py BEFORE NOW ROUNDS SUBJECT [ARGUMENT …]

Runs `outcry bench SUBJECT --rounds ROUNDS ARGUMENT …` of both folders by turns, a round of
one after a round of the other (A B, B A, A B, …) and never two at once, so that a host that changes
pace changes it for both.  Writes SUBJECT-before.json and SUBJECT-now.json into this folder.
No round is taken again; the documents record what disturbed it.
"""

import os
import subprocess
import sys
from pathlib import Path

# In the checkout's own process: `Rounds._attempt`, as both builds have it, waits for its turn.
# What a watch has seen is its `look` in builds before 2026-11-22.
ROUND = """
import importlib.util, os, sys
turn, ready = int(sys.argv[1]), int(sys.argv[2])
from openoutcry.bench import rounds
def attempt(self, one, number, watch):
    os.write(ready, b"r")
    if not os.read(turn, 1):
        sys.exit(1)
    noise = getattr(watch, "poll", None) or watch.look
    noise()
    figures = rounds._one_round(one, number)
    self.noises.append(noise())
    self._keep(figures)
    return True
rounds.Rounds._attempt = attempt
sys.argv = ["outcry", *sys.argv[3:]]
import openoutcry
cli = os.path.join(os.path.dirname(openoutcry.__file__), "cli")
if os.path.isdir(cli):
    from openoutcry.cli.main import main
else:
    from openoutcry.__main__ import main
main(prog_name="outcry")
"""


class Build:
    """`outcry bench` of a checkout, from the moment that it is ready for its first round."""

    def __init__(self, folder: Path, name: str, rounds: int, subject: str, more: list[str]) -> None:
        turn, self.turn = os.pipe()
        self.ready, ready = os.pipe()
        out = Path.cwd() / f"{subject}-{name}.json"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                ROUND,
                str(turn),
                str(ready),
                "bench",
                subject,
                "--rounds",
                str(rounds),
                "--out",
                str(out),
                *more,
            ],
            cwd=folder,
            pass_fds=[turn, ready],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(folder)},
        )
        os.close(turn)
        os.close(ready)
        self.wait()

    def wait(self) -> None:
        """Until it asks for a round, or has ended."""
        if not os.read(self.ready, 1) and self.process.wait():
            sys.exit(f"outcry bench in {self.process.args} ended with {self.process.returncode}")

    def round(self) -> None:
        os.write(self.turn, b"g")
        self.wait()


def main() -> None:
    before, now, rounds, subject, *more = sys.argv[1:]
    builds = [
        Build(Path(folder).resolve(), name, int(rounds), subject, more)
        for folder, name in ((before, "before"), (now, "now"))
    ]
    for number in range(int(rounds)):
        for build in builds if number % 2 == 0 else builds[::-1]:
            build.round()
        print(f"round {number + 1} of {rounds}", flush=True)
    sys.exit(max(build.process.wait() for build in builds))


if __name__ == "__main__":
    main()
