"""Every port of a venue is fuzzed beside a participant who trades.

    python -m tests.support.adversary.session_fuzz --bytes 10000000 [--seed 1] [--evidence FILE]

So many bytes go to each port (OUCH 4.2, OUCH 5.0, FIX 4.4 plain and over TLS, FIX 4.2, both drop
copies, authenticated packets, market data's retransmission and snapshots), before a login and
behind it (session_noise.py), in any pieces.  The
participant's every answer must be what it would have been, no process may die or be replaced, and
none holds a descriptor more at the end than after the first twentieth, or memory that grows with
what it was sent.  Rounds of fuzzing and of quiet alternate: the latencies are of both.
"""

import argparse
import contextlib
import faulthandler
import json
import os
import random
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.processes import die_with_parent, fork
from openoutcry.journal import JournalReader
from openoutcry.order_entry import soupbin
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.top import running
from tests.support import compile_first
from tests.support.adversary import session_noise as noise
from tests.support.adversary.disasters import add_evidence
from tests.support.adversary.lives import Life
from tests.support.adversary.session_storm import Violation, serve
from tests.support.certificates import self_signed
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, ns

PATIENCE_S = 300.0
ROUNDS = 10
WARM = 20
"""The part after which descriptors and memory are counted first."""
GROWTH_BYTES = 24 << 20
"""A process may hold so much more of its own at the end (streams and journals are files)."""
PAUSE_S = 0.1
"""Between fifty packets and the next: a flood is tests/long/attacks/overload.py's."""
SAME_BYTES, SAME_S = 1 << 20, 20.0
CALM_S = 0.002
"""Between the participant's orders."""
SESSIONS = {
    "FUZZ42": ("ouch-4.2", 10), "FUZZ50": ("ouch-5.0", 11), "FUZZF": ("fix-4.4", 12),
    "FUZZT": ("fix-4.4", 13), "FUZZC": ("drop-copy", 14), "FUZZ2": ("fix-4.2", 15),
    "FUZZR": ("fix-drop-copy", 16), "CALM": ("ouch-4.2", 1),
}  # fmt: skip
SENDER, KEY = 17, bytes(range(32))
"""The participant whose packets are authenticated, and by what."""
PORTS = (
    "ouch-4.2",
    "ouch-5.0",
    "fix-4.4",
    "fix-4.4 TLS",
    "fix-4.2",
    "drop-copy",
    "fix-drop-copy",
    "packets",
    "retransmission",
    "snapshots",
)
FIX = {"fix-4.4": "FUZZF", "fix-4.4 TLS": "FUZZT", "fix-4.2": "FUZZ2", "fix-drop-copy": "FUZZR"}
"""Ports of FIX, and whose sessions are logged on there."""


def venue_text(ports: dict[str, int]) -> str:
    text = VENUE[: VENUE.index("[[participant]]")]
    for symbol in ("GOLD", "TIN"):
        limits = "min_price_ticks = 1\nmax_price_ticks = 42_000_000\nmax_qty_lots = 1_000_000\n"
        text = text.replace(f'symbol = "{symbol}"\n', f'symbol = "{symbol}"\n{limits}')
    for number in [*(number for _, number in SESSIONS.values()), SENDER]:
        text += f'[[participant]]\nnumber = {number}\nname = "p{number}"\n'
    for name, (protocol, number) in SESSIONS.items():
        text += f'[[session]]\nname = "{name}"\nprotocol = "{protocol}"\nparticipant = {number}\n'
        text += f'password = "{HASH}"\ntimeout_ms = 600_000\nsecond_login = "take-over"\n'
    text += '[[session]]\nname = "RAW"\nprotocol = "packets"\n'
    text += f'participant = {SENDER}\nkey = "{KEY.hex()}"\n'
    for protocol in [name for name in PORTS[:-2] if not name.endswith("TLS")]:
        text += f'[[port]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{ports[protocol]}"\n'
    text += f'[[port]]\nprotocol = "fix-4.4"\naddress = "127.0.0.1:{ports["fix-4.4 TLS"]}"\n'
    text += 'certificate = "c.pem"\nkey = "k.pem"\n'
    text += f'[market_data]\na = "239.193.9.1:{free_port()}"\ninterface = "127.0.0.1"\n'
    for name in ("retransmission", "snapshots"):
        text += f'{name} = "127.0.0.1:{ports[name]}"\n'
    return text


class Fuzzer:
    """Sends bytes to one port; ``sent`` counts those that the system took."""

    def __init__(self, name: str, port: int, rng: random.Random) -> None:
        self.name, self.port, self.rng = name, port, rng
        self.sent = self.connections = self.logins = 0
        self.tls: ssl.SSLContext | None = None
        if name.endswith("TLS"):
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        begin = "FIX.4.2" if name == "fix-4.2" else "FIX.4.4"
        self.fix = noise.FixNoise(FIX[name], PASSWORD, begin) if name in FIX else None
        self.good: noise.Maker = (
            self.fix
            or {
                "ouch-4.2": noise.ouch42,
                "ouch-5.0": noise.ouch50,
                "drop-copy": noise.copies,
                "snapshots": noise.login,
                "retransmission": noise.request,
                "packets": noise.PacketNoise(KEY, SENDER),
            }[name]
        )

    def once(self) -> None:
        """One connection, or some datagrams."""
        if self.name in ("retransmission", "packets"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                for _ in range(50):
                    with contextlib.suppress(OSError):
                        self.sent += udp.sendto(self.good(self.rng), ("127.0.0.1", self.port))
            time.sleep(PAUSE_S if self.name == "packets" else 0)
            return
        self.connections += 1
        with contextlib.suppress(OSError, TimeoutError), self.connected() as connection:
            self.talk(connection)

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        # Wrong logins come from elsewhere: they would lock the session here.
        self.stranger = self.rng.random() < 0.15
        source = "127.0.0.9" if self.stranger else "127.0.0.1"
        plain = socket.create_connection(
            ("127.0.0.1", self.port), timeout=20, source_address=(source, 0)
        )
        with plain:
            if self.tls is None or (self.stranger and self.rng.random() < 0.3):
                yield plain
            else:
                with self.tls.wrap_socket(plain) as wrapped:
                    yield wrapped

    def talk(self, connection: socket.socket) -> None:
        rng = self.rng
        if self.name == "snapshots":
            self.say(connection, self.greeting())
            if rng.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                self.hear(connection)
            return
        if self.stranger:
            self.say(connection, self.greeting())
            return
        if self.fix is not None:
            self.say(connection, self.fix.logon(), whole=True)
        else:
            user = {"ouch-4.2": "FUZZ42", "ouch-5.0": "FUZZ50"}.get(self.name, "FUZZC")
            login = soupbin.LoginRequest(user, PASSWORD, "", 0)
            self.say(connection, soupbin.login_packet(login), whole=True)
        if not connection.recv(1 << 16):
            return
        self.logins += 1
        self.say(connection, noise.connection_bytes(rng, self.good, self.fix is not None))
        self.hear(connection)

    def greeting(self) -> bytes:
        """What no login is."""
        rng = self.rng
        nearly = noise.spoiled(rng, self.fix.logon() if self.fix else noise.login(rng))
        rest = noise.noise(rng, rng.choice((1 << 4, 1 << 10, 1 << 14)))
        return rng.choice((nearly, nearly + rest, rest, noise.any_packet(rng) + rest))

    def say(self, connection: socket.socket, data: bytes, whole: bool = False) -> None:
        for piece in [data] if whole else noise.pieces(self.rng, data):
            connection.sendall(piece)
            self.sent += len(piece)
            self.hear(connection)

    def hear(self, connection: socket.socket) -> None:
        """Read what is there."""
        connection.settimeout(0)
        try:
            while connection.recv(1 << 16):
                pass
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            connection.settimeout(20)


class Calm:
    """A participant whose every answer is known beforehand."""

    def __init__(self, port: int) -> None:
        self.client = Client(port, "CALM", wait_s=PATIENCE_S)
        self.count = 0

    def trade(self) -> float:
        """An order and its answers; seconds until the first."""
        self.count += 1
        token = f"{self.count}"
        begin = time.perf_counter()
        self.client.enter(token, shares=7, symbol="GOLD", price=10_000, time_in_force=0)
        kind, accepted = self.client.message()
        took = time.perf_counter() - begin
        other, gone = self.client.message()
        if (kind, accepted["token"].strip(), other, gone["token"].strip()) != (
            "A",
            token,
            "C",
            token,
        ):
            raise Violation(f"order {token} was answered with {accepted} and {gone}")
        return took

    def check(self, port: int) -> None:
        """All of it once more, from the first number, and nothing else."""
        again = Client(port, "CALM", wait_s=PATIENCE_S)
        for number, body in enumerate(self.client.messages, start=1):
            if again.packet()[1] != body:
                raise Violation(f"message {number} of the participant has changed")
        again.close()


class Fuzz:
    """A venue, its participant, and those who attack it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.ports = {name: free_port() for name in PORTS}
        self_signed(folder / "c.pem", folder / "k.pem")
        (folder / "venue.toml").write_text(venue_text(self.ports))
        (folder / "venue.toml").chmod(0o600)
        (folder / "clock").write_text(str(ns("2026-11-23T10:00")))
        self.life = Life(folder, partial(serve, folder))
        self.tally = np.memmap(folder / "tally", np.int64, "w+", shape=(len(PORTS), 3))
        self.latencies: dict[str, list[float]] = {"quiet": [], "fuzz": []}
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.calm = Calm(self.ports["ouch-4.2"])
                break
            except OSError:
                if self.life.ended() or time.monotonic() > until:
                    self.life.kill()
                    raise Violation(f"no venue: {self.output()}") from None
                time.sleep(0.05)

    def output(self) -> str:
        return self.life.output_path.read_text()[-3_000:]

    def processes(self) -> dict[int, str]:
        """Pid and name of each: stages, acceptor, feed."""
        names = {self.life.pid: "supervisor"}
        for pipeline in running():
            if pipeline.owner.pid == self.life.pid:
                for row in pipeline.view(pipeline.positions(), 1)["stages"]:
                    names[row["pid"]] = row["name"]
        children = Path(f"/proc/{self.life.pid}/task/{self.life.pid}/children")
        before = set(children.read_text().split())
        time.sleep(0.5)  # what is put away meanwhile has a process for a moment
        for pid in map(int, before & set(children.read_text().split())):
            names.setdefault(pid, "acceptor or feed")
        return {pid: name for pid, name in names.items() if Path(f"/proc/{pid}/fd").exists()}

    def holds(self) -> dict[int, tuple[int, int]]:
        """Descriptors and bytes of its own memory of each process, but huge pages: numpy asks for
        them, and the system's making them counts what was never touched in a large empty array."""
        holdings = {}
        for pid in self.names:
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            kib = {row.split(":")[0]: int(row.split()[1]) for row in rows}
            own = kib["Anonymous"] - kib["AnonHugePages"]
            holdings[pid] = len(os.listdir(f"/proc/{pid}/fd")), own << 10
        return holdings

    def round(self, number: int, until_bytes: int) -> None:
        """Every port is sent bytes until it has had so many; the participant trades meanwhile."""
        pids = []
        for index, name in enumerate(PORTS):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    die_with_parent()
                    fuzzer = Fuzzer(
                        name, self.ports[name], random.Random(f"{self.seed} {name} {number}")
                    )
                    row = self.tally[index]
                    while row[0] < until_bytes:
                        fuzzer.once()
                        row += (fuzzer.sent, fuzzer.connections, fuzzer.logins)
                        fuzzer.sent = fuzzer.connections = fuzzer.logins = 0
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            pids.append(pid)
        until = time.monotonic() + 20 * PATIENCE_S
        while pids:
            self.trade("fuzz")
            for pid in list(pids):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    pids.remove(pid)
                if done and status:
                    raise Violation(f"a fuzzer ended with {status}")
            if time.monotonic() > until:
                raise Violation(f"a round does not end: {self.tally[:, 0].tolist()}")

    def trade(self, when: str) -> None:
        if self.life.ended():
            raise Violation(f"the venue ended with {self.life.status}: {self.output()}")
        try:
            self.latencies[when].append(self.calm.trade())
        except AssertionError as error:
            time.sleep(2.0)  # the supervisor may have something to say of it
            raise Violation(
                f"the participant's connection ended: {error}; {self.output()}"
            ) from error
        time.sleep(CALM_S)

    def held_at_rest(
        self, before: dict[int, tuple[int, int]], same_s: float = PATIENCE_S
    ) -> dict[int, tuple[int, int]]:
        """What processes hold once connections that are over are closed (of a FIX peer that read
        nothing that is so after 2.4 of its heartbeats) and no password is being checked (64 MiB
        each while it is): as it was before, or the same for ``same_s``."""
        until = time.monotonic() + PATIENCE_S
        same, same_since = self.holds(), time.monotonic()
        while True:
            self.trade("quiet")
            now = self.holds()
            if any(
                fds != same.get(pid, (0, 0))[0] or abs(size - same.get(pid, (0, 0))[1]) > SAME_BYTES
                for pid, (fds, size) in now.items()
            ):
                same, same_since = now, time.monotonic()
            back = all(
                now.get(pid, (0, 0))[0] <= fds and now.get(pid, (0, 0))[1] <= size + GROWTH_BYTES
                for pid, (fds, size) in before.items()
            )
            if back or time.monotonic() - same_since > same_s or time.monotonic() > until:
                return now

    def run(self, total_bytes: int) -> dict[str, Any]:
        names = self.names = self.processes()
        before_all = self.held_at_rest({})
        self.round(0, total_bytes // WARM)
        # What is warm may hold more than at the start, for good.
        before = self.held_at_rest(before_all, SAME_S)
        for number in range(1, ROUNDS + 1):
            begin = time.monotonic()
            self.round(
                number, total_bytes // WARM + (total_bytes - total_bytes // WARM) * number // ROUNDS
            )
            took = time.monotonic() - begin
            begin = time.monotonic()
            while time.monotonic() - begin < min(took, 10.0):
                self.trade("quiet")
        after = self.held_at_rest(before)
        if not names.items() <= self.processes().items():
            raise Violation(
                f"a process was replaced: {names}, now {self.processes()}; {self.output()}"
            )
        held = {
            f"{names[pid]} {place}": {
                "descriptors": [fds, after[pid][0]],
                "own_bytes": [size, after[pid][1]],
            }
            for place, (pid, (fds, size)) in enumerate(before.items())
        }
        for name, one in held.items():
            if one["descriptors"][1] > one["descriptors"][0]:
                raise Violation(f"{name} holds more descriptors: {one}")
            if one["own_bytes"][1] > one["own_bytes"][0] + GROWTH_BYTES:
                raise Violation(f"{name} holds more memory: {one}")
        self.calm.check(self.ports["ouch-4.2"])
        self.stop()
        journal = JournalReader(self.folder / "journal").chunks()
        return {
            "orders_by_packet": sum(int((o["participant"] == SENDER).sum()) for _, o in journal),
            "bytes": dict(zip(PORTS, self.tally[:, 0].tolist(), strict=True)),
            "connections": dict(zip(PORTS, self.tally[:, 1].tolist(), strict=True)),
            "logins": dict(zip(PORTS, self.tally[:, 2].tolist(), strict=True)),
            "held_before_and_after": held,
            "participant_orders": self.calm.count,
            "latency_us": {when: percentiles(seconds) for when, seconds in self.latencies.items()},
        }

    def stop(self) -> None:
        os.kill(self.life.pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE_S
        while not self.life.ended():
            if time.monotonic() > until:
                raise Violation(f"the venue does not stop: {self.output()}")
            time.sleep(0.01)
        last = json.loads(self.life.output_path.read_text().splitlines()[-1])["last_run"]
        if last["lost"] or last["duplicated"] or last["restarts"]:
            raise Violation(f"the venue's own account: {last}")


def percentiles(seconds: list[float]) -> dict[str, float]:
    percentiles_us = np.percentile(np.array(seconds) * 1e6, (50, 99))
    return {
        "count": len(seconds),
        "p50": round(float(percentiles_us[0]), 1),
        "p99": round(float(percentiles_us[1]), 1),
    }


def compile_all(folder: Path, seed: int) -> None:
    """What a venue and its clients need; a venue with every port is opened once."""
    compile_kernels(lambda what, done, total: None)
    compile_first.sessions()
    folder.mkdir()
    Fuzz(folder, seed).life.kill()


def run_fuzz(folder: Path, total_bytes: int, seed: int) -> dict[str, Any]:
    """Raises :class:`Violation`."""
    # Who compiles has a gigabyte more, and so have all that he forks: what they hold of their own
    # is then the kernel's choice of large and small pages.
    compiled = fork(partial(compile_all, folder / "compiled", seed))
    if os.waitpid(compiled, 0)[1]:
        raise Violation("a venue cannot be compiled")
    begin = time.monotonic()
    fuzz = Fuzz(folder, seed)
    try:
        report = fuzz.run(total_bytes)
    finally:
        fuzz.life.kill()
    quiet, fuzzed = (report["latency_us"][when]["p99"] for when in ("quiet", "fuzz"))
    return report | {
        "p99_fuzz_over_quiet": round(fuzzed / quiet, 2),
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=1_000_000, help="to each port")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="on a disk [default: a temporary one]")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    faulthandler.enable(all_threads=False)
    folder = Path(tempfile.mkdtemp(dir=given.folder or "/var/tmp"))
    try:
        report = run_fuzz(folder, given.bytes, given.seed)
    except Violation as error:
        sys.exit(f"VIOLATION: {error}")
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if given.evidence:
        add_evidence(given.evidence, "fuzz", report)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
