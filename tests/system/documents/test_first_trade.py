"""README.md's trade in a minute: what it says to type is typed, and what it says comes."""

import os
import re
import subprocess
from pathlib import Path

from openoutcry.venue.example import make_example
from tests.support.documents.readme import README
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import ServedVenue

BLOCK = re.compile(r"^```\n\$ (outcry client .*?)\n(.*?)^```", re.M | re.S)
PROMPT = "outcry> "


class Reader:
    """``outcry client`` with a block of README: its command, then what comes line by line."""

    def __init__(self, command: str, ports: dict[str, int], passwords: dict[str, str]) -> None:
        words = [
            re.sub(r":(\d+)$", lambda at: f":{ports[at[1]]}", word) for word in command.split()
        ]
        name = words[words.index("--user") + 1]
        self.process = subprocess.Popen(
            [*OUTCRY, *words[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env=os.environ | {"OUTCRY_PASSWORD": passwords[name]},
        )

    def goes(self, block: str) -> None:
        assert self.process.stdin is not None
        for line in block.splitlines():
            if line.startswith(PROMPT):
                self.process.stdin.write(line.removeprefix(PROMPT) + "\n")
                continue
            came = self.line()
            while came.startswith("session "):  # the day, which the page leaves out
                came = self.line()
            assert came.startswith(line.removesuffix(" …")), (came, line)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().removeprefix(PROMPT)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait() == 0


def test_the_trade_of_the_readme_is_had(tmp_path: Path) -> None:
    """From the file that ``outcry venue init`` writes to the fill, with a drop copy; and a load at
    its default symbol and price is accepted."""
    text, passwords = make_example()
    ports = {number: free_port() for number in ("9000", "9001", "9002", "9003")}
    for number, port in ports.items():
        text = text.replace(f'"127.0.0.1:{number}"', f'"127.0.0.1:{port}"')
    text = text.replace("# volatile_journal = true", "volatile_journal = true")
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", port="", venue=text)
    blocks = BLOCK.findall(README.read_text())
    assert [command.split()[2] for command, _ in blocks] == ["ouch", "ouch", "drop-copy"]
    venue.start()
    try:
        venue.wait_for_phase("CONTINUOUS")
        readers = []
        for command, block in blocks:
            readers.append(Reader(command, ports, passwords))
            readers[-1].goes(block)
        for reader in readers[:2]:
            reader.end()
        load = [*OUTCRY, "client", "load", f"127.0.0.1:{ports['9001']}", "--user", "BETA"]
        done = subprocess.run(
            [*load, "--orders", "100"],
            capture_output=True,
            text=True,
            env=os.environ | {"OUTCRY_PASSWORD": passwords["BETA"]},
        )
        assert "100 orders sent, 100 accepted, 0 rejected" in done.stdout, done.stderr
        readers[-1].process.kill()
    finally:
        venue.stop()
