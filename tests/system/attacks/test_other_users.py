"""What another user of the host has prepared or can read: a venue's files, its desk, exports, the
process list.  The folder that all of it happens in is shared, as /tmp is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalError, JournalLock
from openoutcry.journal.export import export
from openoutcry.journal.lock import NotOurs, lock_if_there
from openoutcry.ledger.ledger_state import write_whole
from openoutcry.pipeline.run import Options, run
from openoutcry.venue.desk import NAME, DeskError, ask
from openoutcry.venue.log import FILE_NAME, VenueLog, log_folder
from openoutcry.wire.atomic_file import FileNotWritten, write_atomically
from tests import ROOT
from tests.support.adversary.other_user import NOBODY, as_nobody, as_root, shared_folder
from tests.support.processes import OUTCRY
from tests.support.venue.served_venue import VENUE
from tests.support.waiting import BOUND_S


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that all users share, and a file of ours that nobody else may change."""
    folder = shared_folder(tmp_path)
    (tmp_path / "ours").write_text("ours")
    return folder


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "ours"


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@as_root
@pytest.mark.parametrize("way", ["theirs", "open to all", "open to a group"])
def test_a_journal_is_not_kept_where_others_may_write(shared: Path, way: str) -> None:
    """A directory that another user made first, or may write to: his link under a name that a
    journal makes would lead to a file of ours."""
    place = shared / "day"
    if way == "theirs":
        as_nobody(place.mkdir)
    else:
        place.mkdir()
        os.chown(place, 0, NOBODY)
        place.chmod(0o777 if way == "open to all" else 0o770)
    words = f"belongs to user {NOBODY}" if way == "theirs" else "others may write to it"
    with pytest.raises(NotOurs, match=words):
        JournalLock(place)
    with pytest.raises(NotOurs, match=words):
        lock_if_there(place)
    options = Options(source=GeneratedFlow("normal", 10, 1), topology="inline", journal=place)
    with pytest.raises(JournalError, match=words):
        run(options)
    assert list(place.iterdir()) == []


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@as_root
@pytest.mark.parametrize("what", ["journal", "journal.log"])
def test_a_venue_writes_nothing_where_others_may(shared: Path, ours: Path, what: str) -> None:
    """Their folder beside the venue's file, with links under the names that the venue writes."""
    (shared / "venue.toml").write_text(VENUE)

    def prepare() -> None:
        (shared / what).mkdir(mode=0o755)
        for name in (FILE_NAME, "status.json.new", "days.jsonl", "desk-queue.jsonl"):
            (shared / what / name).symlink_to(ours)

    as_nobody(prepare)
    done = subprocess.run(
        [*OUTCRY, "serve", shared / "venue.toml"], capture_output=True, text=True, timeout=BOUND_S
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"outcry: {shared / what}: it belongs to user {NOBODY}"
    assert ours.read_text() == "ours"


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@as_root
def test_a_log_goes_to_a_folder_of_ours(shared: Path, ours: Path) -> None:
    """A link in the folder's place is followed to no other user's folder."""
    journal, theirs = shared / "journal", shared / "theirs"
    as_nobody(lambda: (theirs.mkdir(), log_folder(journal).symlink_to(theirs)))
    as_nobody(lambda: (theirs / FILE_NAME).symlink_to(ours))
    with pytest.raises(OSError, match=f"belongs to user {NOBODY}"):
        VenueLog(journal, "TEST", lambda: 0)
    assert ours.read_text() == "ours"


@pytest.mark.promise(
    "The desk hears its own user alone, and a client asks only the desk of its user or root. "
    "The venue continues whatever the desk's socket receives",
    group="venue",
)
@as_root
def test_a_password_is_sent_only_to_the_owners_desk(shared: Path) -> None:
    """Who made the journal's directory first can listen at its desk; a request that may hold an
    operator's password does not go there."""
    read, write = os.pipe()

    def listen() -> None:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        (shared / "day").mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(shared / "day" / NAME))
            (shared / "day" / NAME).chmod(0o666)
            listener.listen()
            os.write(write, b"x")
            peer, _ = listener.accept()
            os.write(write, peer.recv(100) or b"nothing")

    pid = os.fork()
    if pid == 0:
        try:
            listen()
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"x"
    with pytest.raises(DeskError, match=f"user {NOBODY} owns this socket, so nothing was sent"):
        ask(shared / "day", {"do": "enable", "operator": "anna", "password": "word"})
    assert os.read(read, 100) == b"nothing"
    os.close(read)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.promise(
    "What is written is its owner's alone, in directories where no other user may write, "
    "follows no other user's link, and is whole or not there. Each unit sets UMask, LimitCORE"
    " and SystemCallFilter",
    group="files",
)
@as_root
def test_what_is_written_in_a_shared_folder_follows_no_link(shared: Path, ours: Path) -> None:
    """Exports, reports and tables are written beside their place, under a name nobody knows."""
    journal = ours.with_name("journal")
    run(
        Options(
            source=GeneratedFlow("normal", 50, 1),
            topology="inline",
            journal=journal,
            volatile_journal=True,
            verify=False,
        )
    )
    names = [f".out{end}" for end in (".part", ".csv.part", f".{os.getpid()}.part")]

    def prepare() -> None:
        for name in (*names, "out.tmp", "out.body", f".out.{os.getpid()}.part"):
            (shared / name).symlink_to(ours)
        (shared / "link").symlink_to(ours)

    as_nobody(prepare)
    before = {path.name for path in shared.iterdir()}
    export(journal, "csv", shared / "out", "orders")
    write_whole(shared / "out", b"table")
    write_atomically(shared / "out", "report")
    assert ours.read_text() == "ours"
    assert (shared / "out").read_text() == "report"
    with pytest.raises(FileNotWritten, match="another user's link"):
        write_atomically(shared / "link", "report")
    write_whole(shared / "link", b"table")  # in the link's place
    assert (ours.read_text(), (shared / "link").read_text()) == ("ours", "table")
    assert {path.name for path in shared.iterdir()} == before | {"out"}


SECRET = "s3cr3t@word"


@pytest.mark.smoke
@pytest.mark.promise(
    "A password given as an option, also within a URL, leaves the process list as "
    "soon as it is read, and is in no message",
    group="secrets",
)
@pytest.mark.parametrize(
    "arguments",
    [
        ["client", "ouch", "127.0.0.1:9", "--user", "one", "--password", SECRET],
        ["ledger", "follow", "JOURNAL", "--ledger", f"postgresql://me:{SECRET}@127.0.0.1:9/x"],
        ["ledger", "reconcile", "JOURNAL", "--ledger", f"postgresql://me:{SECRET}@127.0.0.1:9/x"],
    ],
)
def test_a_secret_is_in_no_process_list(tmp_path: Path, arguments: list[str]) -> None:
    """As soon as the options are read; and in nothing that is said."""
    journal = tmp_path / "journal"
    run(
        Options(
            source=GeneratedFlow("normal", 20, 1),
            topology="inline",
            journal=journal,
            volatile_journal=True,
            verify=False,
        )
    )
    arguments = [str(journal) if one == "JOURNAL" else one for one in arguments]
    code = (
        "import pathlib, sys\n"
        "from openoutcry.cli.main import main\n"
        "try:\n    main(sys.argv[1:], standalone_mode=False)\n"
        "except BaseException as error:\n    print('ended:', error)\n"
        "print(pathlib.Path('/proc/self/cmdline').read_bytes())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        input="",
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()[-1]
    assert arguments[0] in shown
    assert "x" * len(SECRET) in shown
    assert SECRET not in done.stdout + done.stderr
