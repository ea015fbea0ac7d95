"""What others wrote, against the venue itself: QuickFIX's engine trades through a line that is cut
while the sessions' process is killed and a drop copy listens, and QuickFIX's acceptance scripts
judge the venue's session layer."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.support.order_entry import fix_scripts
from tests.support.order_entry.fix_live_clients import FIX, SCRIPTS, check, names, trade
from tests.support.order_entry.sessions_venue import PASSWORD, Venue


def test_quickfix_trades_with_the_venue_while_it_is_killed_and_the_line_is_cut(tmp_path):
    check(*trade(tmp_path, 300, [900, 15_001, 50_003], kills=2), 300)


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
