"""What others wrote, against the venue itself: QuickFIX's engine trades through a line that is cut
while the sessions' process is killed and a drop copy listens, and QuickFIX's acceptance scripts
judge the venue's session layer."""

import json
import os
import platform
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import fix_scripts
import pytest
from fix_quickfix import PATIENCE_S, quickfix_client, wait_until
from fix_venue import CuttingProxy
from sessions_clients import connect
from sessions_venue import PASSWORD, Venue, kill_stage

from openoutcry.client import ClientError, FixNumbers
from openoutcry.client.fix import utc_text
from openoutcry.order_entry.fix.numbers import IN_SEQ, OUT_SEQ, NumbersFile
from openoutcry.order_entry.spec import Protocol
from openoutcry.report.evidence import EVIDENCE

FIX, COPY = int(Protocol.FIX44), int(Protocol.FIX_DROP_COPY)
SIZES = {"row_capacity": 1 << 17, "token_capacity": 1 << 18, "stream_bytes": 1 << 27}
STREAM_ENTRIES = 1 << 18


class DropCopy(threading.Thread):
    """Listens until it was told so much, over as many connections as that takes."""

    def __init__(self, venue, reports):
        super().__init__(daemon=True)
        self.venue, self.expected, self.reports, self.connections = venue, reports, [], 0
        self.ends = []
        self.start()

    def run(self):
        numbers = FixNumbers()
        until = time.monotonic() + PATIENCE_S
        while len(self.reports) < self.expected and time.monotonic() < until:
            try:
                client = connect(
                    self.venue, "COPY", port="FIX_DROP_COPY", numbers=numbers, next_expected=True
                )
                self.connections += 1
                for message in client.messages(PATIENCE_S):
                    self.reports.append((message[11], message[39], message[38]))
                    until = time.monotonic() + PATIENCE_S
                    if len(self.reports) == self.expected:
                        break
                client.close()
                self.ends.append("silence")
            except ClientError as error:
                self.ends.append(str(error))
                time.sleep(0.05)


def trade(tmp_path, count, cuts, kills):
    """Orders that are gone at once, so that each has two reports; the process of the sessions is
    killed so often meanwhile."""
    rows = [
        {"name": "FIRM", "participant": 1, "cancel_on_disconnect": 0, "protocol": FIX},
        {"name": "COPY", "participant": 1, "protocol": COPY},
    ]
    journal = tmp_path / "journal"
    with (
        Venue(rows, journal, durability="durable", housekeeping_cores=0, sizes=SIZES) as venue,
        CuttingProxy(venue.ports["FIX44"], cuts) as proxy,
        quickfix_client(
            tmp_path, proxy.listen_port, target="OUTCRY", password=PASSWORD
        ) as client,
    ):  # fmt: skip
        copy = DropCopy(venue, 2 * count)
        killer = threading.Thread(target=kill_now_and_then, args=(venue, client, count, kills))
        killer.start()
        for number in range(count):
            client.send({
                11: f"C{number}", 55: "ACME", 54: "1", 38: str(number % 1000 + 1), 40: "2",
                44: "12.34", 59: "3", 60: utc_text(), 21: "1",
            })  # fmt: skip
        killer.join(PATIENCE_S)
        wait_until(lambda: len(client.reports) >= 2 * count, "reports are missing")
        identity = int.from_bytes(blake2b(b"FIRM", digest_size=7).digest(), "little")
        numbers = NumbersFile(journal / "sessions" / "FIRM.numbers", identity, STREAM_ENTRIES)
        wait_until(
            lambda: client.numbers() == (numbers.counted()[OUT_SEQ], numbers.counted()[IN_SEQ]),
            "sequence numbers differ",
        )
        assert proxy.done == len(cuts)
        copy.join(PATIENCE_S)
    return client, copy


def kill_now_and_then(venue, client, count, kills):
    for kill in range(1, kills + 1):
        wait_until(lambda at=kill * 2 * count // (kills + 1): len(client.reports) >= at, "a kill")
        kill_stage(venue)


def check(client, copy, count):
    assert len(copy.reports) == len(client.reports), copy.ends[-9:]
    assert copy.reports == client.reports
    names = [f"C{number}" for number in range(count)]
    for status in ("0", "4"):
        assert [name for name, was, _ in client.reports if was == status] == names
    assert len(client.reports) == 2 * count
    assert [int(qty) for _, was, qty in client.reports if was == "0"] == [
        number % 1000 + 1 for number in range(count)
    ]
    assert client.faults == []


def test_quickfix_trades_with_the_venue_while_it_is_killed_and_the_line_is_cut(tmp_path):
    check(*trade(tmp_path, 300, [900, 15_001, 50_003], kills=2), 300)


@pytest.mark.long
def test_quickfix_loses_nothing_of_100_000_orders_at_the_venue(tmp_path):
    """Writes the section ``quickfix`` of docs/evidence/sessions_storms.json."""
    count, cuts, kills = int(os.environ.get("OUTCRY_FIX_ORDERS", "100000")), 20, 5
    begin = time.monotonic()
    client, copy = trade(tmp_path, count, [300_001 + 77_777 * k for k in range(cuts)], kills)
    check(client, copy, count)
    path = EVIDENCE / "sessions_storms.json"
    document = json.loads(path.read_text())
    document["quickfix"] = {
        "orders": count, "reports": len(client.reports), "lost": 0, "doubled": 0,
        "connections_cut_by_the_proxy": cuts, "sessions_processes_killed": kills,
        "sequence_numbers": "agree", "durability": "durable", "drop_copy": "the same reports",
        "drop_copy_connections": copy.connections, "peer": "quickfix 1.16.0",
        "command": "make test-long ARGS=tests/order_entry/test_fix_live_clients.py",
        "seconds": round(time.monotonic() - begin), "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


# The acceptance scripts.

SLOW = {"4a_NoDataSentDuringHeartBtInt", "6_SendTestRequest"}
"""They wait for heartbeats, 12 and 34 seconds."""
SCRIPTS = [path for path in fix_scripts.SCRIPTS if path.stem not in SLOW]


ECHO = (
    "15_HeaderAndBodyFieldsOrderedDifferently", "19a_PossResendMessageThatHAsAlreadyBeenSent",
    "19b_PossResendMessageThatHasNotBeenSent", "20_SimultaneousResendRequest",
    "21_RepeatingGroupSpecifierWithValueOfZero", "2d_GarbledMessage",
    "2f_PossDupOrigSendingTimeTooHigh", "2g_PossDupNoOrigSendingTime",
    "2m_BodyLengthValueNotCorrect", "3b_InvalidChecksum", "3c_GarbledMessage",
    "8_AdminAndApplicationMessages", "8_OnlyApplicationMessages",
)  # fmt: skip
"""They want their orders back, with fields that an order has not: a venue answers with reports."""
DICTIONARY = (
    "14c_TagNotDefinedForMsgType", "14e_IncorrectEnumValue", "14i_RepeatingGroupCountNotEqual",
    "RejectResentMessage",
)  # fmt: skip
"""They want what is not looked at to be wrong too: a venue passes over fields that it has no use
for."""
NEW_NUMBERS = (
    "2i_BeginStringValueUnexpected", "2k_CompIDDoesNotMatchProfile",
    "2o_SendingTimeValueOutOfRange",
)  # fmt: skip
"""They log on a second time and want numbers to begin at 1 without asking for it."""
OTHERWISE = {*ECHO, *DICTIONARY, *NEW_NUMBERS}


def names():
    """A session for each script, so that its numbers begin at 1: as long as TW, which it has."""
    return [f"{letter}{digit}" for letter in "ABCDEF" for digit in range(10)][: len(SCRIPTS)]


def adapted(path, name, folder):
    """The script with the session's name and, in each Logon, its password; no heartbeat comes
    between where the machine is busy."""
    lines = path.read_bytes().replace(b"49=TW\x01", b"49=%s\x01" % name.encode())
    lines = lines.replace(b"56=TW\x01", b"56=%s\x01" % name.encode()).split(b"\n")
    for number, line in enumerate(lines):
        if line.startswith(b"I") and b"\x0135=A\x01" in line:
            whole = line.rstrip(b"\r")
            head, end, tail = whole.partition(b"\x0110=")
            if not end:
                lines[number] = whole + b"554=%s\x01" % PASSWORD.encode()
            else:
                lines[number] = head + b"\x01554=%s" % PASSWORD.encode() + end + tail
    script = folder / path.name
    script.write_bytes(re.sub(rb"\x01108=\d\x01", b"\x01108=9\x01", b"\n".join(lines)))
    return script


def test_the_acceptance_scripts_that_need_no_echo_pass_at_the_venue(tmp_path):
    sessions = [
        {"name": name, "participant": number, "protocol": FIX, "target": "ISLD"}
        for number, name in enumerate(names(), start=1)
    ]
    failed = {}
    with Venue(sessions, tmp_path / "journal") as venue:

        def one(path, name):
            try:
                port = venue.ports["FIX44"]
                fix_scripts.run(adapted(path, name, tmp_path), fix_scripts.Tcp(port))
            except fix_scripts.Mismatch as error:
                failed[path.stem] = str(error)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, SCRIPTS, names()))
    assert set(failed) == OTHERWISE, "\n".join(f"{k}: {v}" for k, v in failed.items())
