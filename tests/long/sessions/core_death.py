"""From the SIGKILL of the process of gateway, matcher and sessions of a served venue to a new login
and an order, for a client that has lost its connection.

    python -m tests.long.sessions.core_death [--orders 1000000] [--kills 5] [--burst 500]
        [--evidence F]

A member sends that many messages, orders and their cancels, in the venue of ``outcry venue init``
with market data.  A second connection is left open, unread, over the kills.
"""

import argparse
import os
import re
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from openoutcry.client import ClientError, OuchClient
from openoutcry.pipeline.top import running
from openoutcry.venue.example import make_example
from tests.support.adversary.disasters import add_evidence
from tests.support.processes import free_port
from tests.support.user_commands import started_command
from tests.support.waiting import wait_until

WINDOW = 250
FEED = """[market_data]
a = "239.193.0.1:26400"
b = "239.193.0.2:26400"
interface = "127.0.0.1"
"""


def stage(owner: int) -> dict[str, Any]:
    (pipeline,) = (one for one in running() if one.owner.pid == owner)
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    return next(row for row in rows if row["name"] == "sessions")


def trade(client: OuchClient, messages: int) -> None:
    for _ in range(messages // (2 * WINDOW)):
        names = [client.buy("GOLD", 1, "1500.00") for _ in range(WINDOW)]
        for name in names:
            client.cancel(name)
        answered = 0
        while answered < 2 * WINDOW:
            message = client.next(60)
            assert message is not None
            answered += message.kind in "AC"


def killed(owner: int, port: int, word: str, client: OuchClient) -> tuple[dict[str, Any], Any]:
    """What one kill cost: seconds to the login and to the order, refused logins, and processor time
    of the new process until then; and the new client."""
    pid = stage(owner)["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    try:
        while client.next(60) is not None:
            pass
    except ClientError:
        pass
    refused, again = 0, None
    while again is None:
        try:
            again = OuchClient("127.0.0.1", port, "ALPHA", word)
        except ClientError:
            refused += 1
    login_s = time.monotonic() - began
    name = again.buy("GOLD", 1, "1500.00")
    message = again.next(60)
    assert message is not None
    assert (message.kind, message["token"]) == ("A", name)
    order_s = time.monotonic() - began
    times = psutil.Process(stage(owner)["pid"]).cpu_times()
    found = {
        "login_s": round(login_s, 2),
        "order_s": round(order_s, 2),
        "cpu_s": round(times.user + times.system, 2),
        "refused_logins": refused,
    }
    return found, again


def measure(folder: Path, orders: int, kills: int, burst: int) -> dict[str, Any]:
    text, words = make_example()
    day = 'day = ["00:00 CONTINUOUS", "23:59 CLOSED"]'
    text = re.sub(r"day = \[.*?\]", day, text, count=1, flags=re.S)
    port = free_port()
    text = text.replace("127.0.0.1:9001", f"127.0.0.1:{port}")
    file = folder / "venue.toml"
    file.write_text(re.sub(r"127\.0\.0\.1:900\d", "127.0.0.1:0", text) + FEED)
    file.chmod(0o600)
    with started_command("outcry serve venue.toml --from 2026-11-23T12:00", folder) as serving:
        try:
            wait_until(lambda: (folder / "journal" / "status.json").exists(), "it is served")

            def connected() -> list[OuchClient]:
                try:
                    return [OuchClient("127.0.0.1", port, "ALPHA", words["ALPHA"])]
                except ClientError:
                    return []

            client = wait_until(connected, "its port is open")[0]
            idle = OuchClient("127.0.0.1", port, "BETA", words["BETA"])
            trade(client, orders)
            rows = []
            for _ in range(kills):
                trade(client, burst)
                row, client = killed(serving.pid, port, words["ALPHA"], client)
                rows.append(row)
                print(row, flush=True)
            client.logout()
            idle.connection.close()
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.communicate(timeout=60)
    return {
        "messages": orders,
        "burst": burst,
        "kills": rows,
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument(
        "--burst", type=int, default=2 * WINDOW, help="messages right before each kill"
    )
    parser.add_argument("--evidence", type=Path, help="JSON file in which this is an entry")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        report = measure(Path(folder), given.orders, given.kills, given.burst)
    if given.evidence:
        add_evidence(given.evidence, "core_death", report, by="messages")


if __name__ == "__main__":
    main()
