"""README's trade in a minute: its commands, typed as they stand, give what it shows."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import free_port
from tests.support.user_commands import ROOT, run, started_command
from tests.support.waiting import BOUND_S, wait_until

pytest.importorskip("argon2", reason="passwords need argon2-cffi (openoutcry[venue])")
NOON = "--from 2026-11-23T12:00"
PORTS = "127.0.0.1:9001", "127.0.0.1:9002"


def blocks() -> list[list[str]]:
    """The section's console blocks, as lines."""
    (section,) = re.findall(
        r"## A trade in a minute\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.S
    )
    return [
        text.splitlines() for _, text in re.findall(r"^```(\w*)\n(.*?)^```", section, re.M | re.S)
    ]


def shown(lines: list[str]) -> re.Pattern[str]:
    """What a block shows of output, an ellipsis for whatever follows."""
    output = [line for line in lines if not line.startswith(("$ ", "outcry> "))]
    return re.compile("\\n".join(re.escape(line).replace("…", "[^\\n]*") for line in output))


def test_two_participants_trade(tmp_path: Path) -> None:
    """From ``outcry venue init`` to the fill and its drop copy; and a load at its default symbol
    and price is accepted."""
    venue, alpha, beta, copy = blocks()
    *_, init, serve = [line.removeprefix("$ ") for line in venue if line.startswith("$ ")]
    output = run(init, tmp_path)
    assert shown(venue).match(output)
    words = dict(re.findall(r"^session (\w+): password (\w+)$", output, re.M))
    file = tmp_path / "venue.toml"
    ports = {shown: f"127.0.0.1:{free_port()}" for shown in PORTS}
    text = file.read_text().replace("# volatile_journal", "volatile_journal")
    text = re.sub(r"127\.0\.0\.1:900[^12]", "127.0.0.1:0", text)
    file.write_text(replaced(text, ports))
    with started_command(f"{serve} {NOON}", tmp_path) as serving:
        try:
            noted = tmp_path / "journal" / "status.json"

            def trades(noted=noted, serving=serving):
                assert serving.poll() is None, serving.communicate()
                return noted.exists() and "CONTINUOUS" in noted.read_text()

            wait_until(trades, "the venue trades")
            for lines, name in ((alpha, "ALPHA"), (beta, "BETA"), (copy, "COPY")):
                assert shown(lines).search(trade(lines, ports, words[name])), lines
            load = f"outcry client load {ports[PORTS[0]]} --user BETA --orders 100"
            with started_command(load, tmp_path, OUTCRY_PASSWORD=words["BETA"]) as loading:
                out, err = loading.communicate(timeout=BOUND_S)
            assert "100 orders sent, 100 accepted, 0 rejected" in out, err
        finally:
            serving.send_signal(signal.SIGINT)
            _, err = serving.communicate(timeout=BOUND_S)
        assert serving.returncode == 0, err


def replaced(text: str, ports: dict[str, str]) -> str:
    for port, ours in ports.items():
        text = text.replace(port, ours)
    return text


def trade(lines: list[str], ports: dict[str, str], password: str) -> str:
    """What the client prints of a block's commands, once all that is shown has come."""
    (command,) = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    typed = [line.removeprefix("outcry> ") for line in lines if line.startswith("outcry> ")]
    messages = sum(line[:1].isdigit() for line in lines)
    with started_command(
        replaced(command, ports), Path.cwd(), stdin=subprocess.PIPE, OUTCRY_PASSWORD=password
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write("\n".join([*typed, "wait 600", ""]))
        client.stdin.flush()
        output_lines: list[str] = []
        while sum(line[:1].isdigit() for line in output_lines) < messages:
            line = client.stdout.readline()
            assert line, output_lines
            output_lines.append(line)
        client.send_signal(signal.SIGINT)  # which logs out: its orders stay
    return "".join(output_lines)
