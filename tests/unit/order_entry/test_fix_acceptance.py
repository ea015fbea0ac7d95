"""QuickFIX's acceptance scripts for FIX 4.4, without sockets: all 59 pass at an acceptor by a clock
that jumps, which is exact about heartbeats; those that need no echo pass at a venue."""

import re

import pytest

from openoutcry.order_entry.spec import Protocol
from tests import ROOT
from tests.oracles.fix_acceptor import conformance_acceptor
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry import fix_scripts
from tests.support.order_entry.sessions_venue import PASSWORD, session
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence

PAGE = ROOT / "docs" / "fix.md"
pytest.importorskip(
    "quickfix", reason="PyPI's quickfix, which has the FIX 4.4 data dictionary, could not be built"
)
PATIENCE_S, OF_SLOW_S = 1.0, 40.0


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary()


def test_all_scripts_are_there():
    assert len(fix_scripts.SCRIPTS) == 59


@pytest.mark.parametrize("path", fix_scripts.SCRIPTS, ids=lambda path: path.stem)
def test_script_passes_by_a_clock_that_jumps(path, dictionary):
    """No time passes but what the script waits for, so a heartbeat comes when it must."""
    fix_scripts.run(path, fix_scripts.InMemory(conformance_acceptor(dictionary)))


def test_a_wrong_answer_fails_the_script(tmp_path, dictionary):
    """The judge itself: another text, a field too many, another order of fields."""
    good = (fix_scripts.HERE / "fix44" / "4b_ReceivedTestRequest.def").read_text()
    for wrong in (
        good.replace("E8=FIX.4.4\x019=59\x0135=0\x01", "E8=FIX.4.4\x019=58\x0135=0\x01"),
        good.replace("112=HELLO\x0110=0", "112=HALLO\x0110=0"),
        good.replace("112=HELLO\x0110=0", "112=HELLO\x01113=1\x0110=0"),
    ):
        assert wrong != good
        path = tmp_path / "wrong.def"
        path.write_text(wrong)
        with pytest.raises(fix_scripts.Mismatch, match=r"wrong.def:\d+: expected"):
            fix_scripts.run(path, fix_scripts.InMemory(conformance_acceptor(dictionary)))


# At a venue.

SCRIPTS = fix_scripts.SCRIPTS
NAMES = [f"{letter}{digit}" for letter in "ABCDEF" for digit in range(10)][: len(SCRIPTS)]
"""A session for each script, so that its numbers begin at 1: as long as TW, which it has."""
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
    "14c_TagNotDefinedForMsgType",
    "14e_IncorrectEnumValue",
    "RejectResentMessage",
)
"""They want what is not looked at to be wrong too: a venue passes over fields that it has no use
for."""
NEW_NUMBERS = (
    "2i_BeginStringValueUnexpected",
    "2k_CompIDDoesNotMatchProfile",
    "2o_SendingTimeValueOutOfRange",
)
"""They log on a second time and want numbers to begin at 1 without asking for it."""
OTHERWISE = {*ECHO, *DICTIONARY, *NEW_NUMBERS}


def adapted(path, name, folder):
    """The script with the session's name and, in each Logon, its password; no heartbeat comes
    between, unless the script waits for it."""
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
    script, text = folder / path.name, b"\n".join(lines)
    if path.name not in fix_scripts.SLOW:
        text = re.sub(rb"\x01108=\d\x01", b"\x01108=9\x01", text)
    script.write_bytes(text)
    return script


class AtVenue(fix_scripts.Tcp):
    """Over a pair of sockets, by the venue's clock."""

    def __init__(self, venue, patience_s):
        super().__init__(0)
        self.venue, self.patience_s = venue, patience_s

    def wall_s(self):
        return self.venue.clock.now_ns() / 1e9

    def connect(self, who):
        self.sockets[who] = self.venue.dial(Protocol.FIX44)
        self.sockets[who].patience_s = self.patience_s
        self.buffers[who] = b""


@pytest.fixture(scope="module")
def venue():
    rows = [
        session(name, number, protocol=int(Protocol.FIX44), target="ISLD")
        for number, name in enumerate(NAMES, start=1)
    ]
    with InlineVenue(rows) as venue:
        yield venue


@pytest.mark.parametrize(
    ("path", "name"),
    list(zip(SCRIPTS, NAMES, strict=True)),
    ids=lambda one: getattr(one, "stem", ""),
)
def test_a_script_passes_at_the_venue_unless_it_needs_an_echo(path, name, venue, tmp_path):
    script = adapted(path, name, tmp_path)
    patience_s = OF_SLOW_S if path.name in fix_scripts.SLOW else PATIENCE_S
    if path.stem not in OTHERWISE:
        fix_scripts.run(script, AtVenue(venue, patience_s))
        return
    with pytest.raises((fix_scripts.Mismatch, Silence)):
        fix_scripts.run(script, AtVenue(venue, patience_s))


def test_the_page_says_which_scripts_pass_at_a_venue_and_why_others_do_not():
    """The counts and the names of docs/fix.md are those that these tests run."""
    _, _, section = PAGE.read_text().partition("## QuickFIX's acceptance scripts\n")
    section = section.partition("\n## ")[0]
    total = len(fix_scripts.SCRIPTS)
    for words in (
        f"**{total - len(OTHERWISE)} of {total}** pass at a venue",
        f"{len(ECHO)} need an echo",
        f"other {len(DICTIONARY) + len(NEW_NUMBERS)}",
    ):
        assert words in section
    assert set(re.findall(r"`(\d+\w*_\w+|Reject\w+)`", section)) == OTHERWISE
