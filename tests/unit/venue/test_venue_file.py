"""The venue file is read strictly: the example is without a mistake, and each mistake that a person
can make is told with its line and key, all of them at once."""

import json
from pathlib import Path

import pytest

from openoutcry.journal import Journal
from openoutcry.order_entry.spec import CancelOnDisconnect, PortSpec, Protocol
from openoutcry.replica.access import access_of
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.wire.enums import Phase
from openoutcry.wire.errors import ReplicaError
from openoutcry.wire.toml_tables import key_lines
from tests.support.venue.venue_file import outcry, with_key

HASH = "$argon2id$v=19$m=65536,t=3,p=4$BniNbEuxYX87MWcrsJLOZg$e/bBC1lqhhAvTLmAM+5XCrXMJKgNaiE46mCX"
SESSION = f"""
[[session]]
name = "ALPHA1"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
"""
PORT = """
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:9001"
"""


def written(path: Path, old: str = "", new: str = "", more: str = "") -> tuple[Path, str]:
    """The example with ``old`` replaced once and ``more`` at its end."""
    text = EXAMPLE.read_text()
    assert old in text
    text = text.replace(old, new, 1) + more
    (path / "venue.toml").write_text(text)
    return path / "venue.toml", text


def mistakes(path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(VenueFileError) as raised:
        read_venue(path)
    return [tuple(mistake) for mistake in raised.value.mistakes]


def test_the_example_has_no_mistake_and_means_what_it_says(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    venue = read_venue(path)
    assert venue.journal == tmp_path / "journal"
    assert [bytes(symbol) for symbol in venue.instruments["symbol"]] == [b"GOLD", b"SILVER"]
    assert set(venue.instruments["initial_phase"].tolist()) == {Phase.CLOSED}
    assert venue.instruments["price_step_ticks"].tolist() == [5, 1]
    assert venue.sessions.price_decimals == {"GOLD": 2, "SILVER": 4}
    assert venue.packets is not None
    assert venue.packets.text == "udp:127.0.0.1:9000"
    assert [(one.number, one.group) for one in venue.participants] == [(1, "alpha"), (2, "")]


@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
def test_a_session_holds_a_quarter_of_the_book_if_its_row_says_nothing(tmp_path: Path) -> None:
    """0 says that it may hold all of it."""
    more = SESSION + SESSION.replace("ALPHA1", "ALPHA9") + "max_open_orders = 0\n" + PORT
    venue = read_venue(written(tmp_path, more=more)[0])
    most = {row.name: row.max_open_orders for row in venue.sessions.sessions}
    assert (most["ALPHA1"], most["ALPHA9"]) == (venue.order_capacity // 4, 0)


def test_sessions_and_ports_become_what_the_session_layer_takes(tmp_path: Path) -> None:
    more = """
networks = ["10.0.0.0/8", "127.0.0.1"]
cancel_on_disconnect = "day"
grace_ms = 500
messages_per_s = 100
[[session]]
name = "DROP"
protocol = "drop-copy"
group = "alpha"
password = "HASH"
[[port]]
protocol = "drop-copy"
address = "[::1]:9002"
[[session]]
name = "COMPLIANCE-1"
protocol = "fix-drop-copy"
participant = 1
password = "HASH"
[[port]]
protocol = "fix-drop-copy"
address = "[::1]:9003"
""".replace("HASH", HASH)
    path, _ = written(tmp_path, more=PORT + SESSION + more)
    sessions = read_venue(path).sessions
    first, drop, reports = sessions.sessions
    assert (first.name, first.participant, first.protocol) == ("ALPHA1", 1, Protocol.OUCH42)
    assert [str(network) for network in first.networks] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert first.cancel_on_disconnect is CancelOnDisconnect.DAY
    assert (first.grace_ms, first.throttle_per_s) == (500, 100)
    assert (drop.participant, drop.group) == (0, (1,))
    assert (reports.participant, reports.protocol) == (1, Protocol.FIX_DROP_COPY)
    assert sessions.ports == (
        PortSpec(Protocol.OUCH42, "127.0.0.1", 9001),
        PortSpec(Protocol.DROP_COPY, "::1", 9002),
        PortSpec(Protocol.FIX_DROP_COPY, "::1", 9003),
    )


CASES = [
    ('name = "OUTCRY"', 'nam = "OUTCRY"', "venue.nam", "unknown key; is name meant?"),
    ('name = "OUTCRY"', "", "venue.name", "is missing"),
    ("[venue]", "[vnue]", "vnue", "unknown key; is venue meant?"),
    ("time_every_s = 1", "time_every_s = true", "calendar.time_every_s",
     "must be a whole number, not true or false"),
    ("time_every_s = 1", 'time_every_s = "1"', "calendar.time_every_s",
     "must be a whole number, not a text"),
    ('journal = "journal"', 'journal = ""', "venue.journal", "is not 1 to 1000 printable"),
    ('"durable" ', '"sure"', "venue.durability", "'sure' is not one of durable, async"),
    ("order_capacity = 131072", "order_capacity = 131071", "venue.order_capacity", "not a power"),
    ('"Etc/UTC"', '"Mars/Olympus"', "calendar.time_zone", "is not a time zone"),
    ('weekdays = ["Mon",', 'weekdays = ["Mo",', "calendar.weekdays", "'Mo' is not one of Mon,"),
    ('# holidays = "XNYS"', 'holidays = "XXXX" #', "calendar.holidays", "'XXXX' is not an exch"),
    ('# holidays = "XNYS"', "holidays = [2026-13-01] #", "", "not TOML"),
    ("# holidays = [2026-12-25]", 'holidays = ["25.12.2026"]', "calendar.holidays", "not a date"),
    ("# half_days = [2026-12-24]", "half_days = [2026-12-24]", "schedule[1].half_day",
     "is missing: there are half_days"),
    ('"00:04 OPENING', '"23:54 OPENING', "schedule[1].day", "'00:05 CONTINUOUS' is not after"),
    ('"00:04 OPENING_AUCTION"', '"0:04 OPENING_AUCTION"', "schedule[1].day", "is not HH:MM"),
    ('"00:04 OPENING_AUCTION"', '"00:04 HALT"', "schedule[1].day", "is not HH:MM"),
    ('"23:55 CLOSED"', '"23:55 CONTINUOUS"', "schedule[1].day", "the last of them CLOSED"),
    ('symbol = "SILVER"', 'symbol = "GOLD"', "instrument[2].symbol", "already exists, in line"),
    ('symbol = "SILVER"', 'symbol = "SILVER-SILVER-SILVER-2026"', "instrument[2].symbol",
     "1 to 24 printable"),
    ("decimals = 4", "decimals = 13", "instrument[2].decimals", "13 is not 0 to 12"),
    ('symbol = "SILVER"', 'symbol = "SILVER"\nschedule = "x"', "instrument[2].schedule",
     "there is no schedule 'x'"),
    ("price_step_ticks = 5", "price_step_ticks = 0", "instrument[1].price_step_ticks",
     "0 is not 1 to"),
    ("min_price_ticks = 5", "min_price_ticks = 2_000_000_000", "instrument[1]",
     "min_price_ticks is above max_price_ticks"),
    ("extension_s = 60 ", "extension_s = 86_399", "instrument[2].extension_s", "past the next"),
    ("extension_s = 60 ", "#", "instrument[2].extension_s", "is missing"),
    ("number = 2", "number = 1", "participant[2].number", "1 already exists, in line"),
    ("number = 2", "number = 0", "participant[2].number", "0 is not 1 to 65535"),
    ('"127.0.0.1:9000"', '"127.0.0.1"', "port[1].address", "is not HOST:PORT"),
    ('"packets-unauthenticated"', '"telnet"', "port[1].protocol", "'telnet' is not one of"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "words"), CASES)
def test_each_mistake_is_reported_with_its_line_and_key(
    old: str, new: str, key: str, words: str, tmp_path: Path
) -> None:
    path, text = written(tmp_path, old, new)
    line, _, message = next(row for row in mistakes(path) if row[1] == key)
    assert words in message
    last = key.rpartition(".")[2] or new
    if not message.startswith("is missing"):
        shown = text.splitlines()[line - 1]
        assert last.partition("[")[0] in shown, (line, shown)


SESSION_CASES = [
    ('"ALPHA1"', '"ALPHATOOLONG"', "session[1].name", "1 to 6 letters and digits"),
    ("participant = 1", "participant = 9", "session[1].participant", "no participant 9"),
    ("participant = 1\n", "", "session[1].participant", "the session has no participant"),
    ("participant = 1", 'participant = 1\ngroup = "alpha"', "session[1].group",
     "only to drop copies"),
    ('"ouch-4.2"', '"fix-4.4"', "session[1].protocol", "no port uses this protocol"),
    ('"ALPHA1"\nprotocol = "ouch-4.2"', '"A/B"\nprotocol = "fix-4.4"', "session[1].name",
     "1 to 32 letters, digits"),
    ('"ALPHA1"\nprotocol = "ouch-4.2"', '"OUTCRY"\nprotocol = "fix-4.4"', "session[1].name",
     "the venue's CompID"),
    (HASH, "secret", "session[1].password", "is not an argon2 hash; make one"),
    ("participant = 1", 'participant = 1\nnetworks = ["10.0.0.1/8"]', "session[1].networks",
     "not an address or network"),
    ("participant = 1", "participant = 1\ntimeout_ms = 900", "session[1].timeout_ms",
     "must be longer than heartbeat_ms"),
    ("participant = 1", 'participant = 1\ntarget = "X"', "session[1].target",
     "only to FIX sessions"),
    ('"127.0.0.1:9001"', '"127.0.0.1:9001"\nkey = "none.pem"', "port[2].key", "there is no file"),
    ('"127.0.0.1:9001"', '"127.0.0.1:9001"\nkey = "none.pem"', "port[2]", "TLS needs"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "words"), SESSION_CASES)
def test_mistakes_in_sessions_and_ports(
    old: str, new: str, key: str, words: str, tmp_path: Path
) -> None:
    assert old in PORT + SESSION
    session, port = SESSION.replace(old, new), PORT
    more = port + session if session != SESSION else PORT.replace(old, new) + SESSION
    path, _ = written(tmp_path, more=more)
    assert [row for row in mistakes(path) if row[1] == key and words in row[2]]


KEY = "0f" * 32
PACKETS = f"""
[[session]]
name = "alpha"
protocol = "packets"
participant = 1
key = "{KEY}"
"""
PACKET_CASES = [
    (KEY, KEY.upper(), "session[1].key", "is not 64 hexadecimal digits; make a key with"),
    ("key =", "password =", "session[1].key", "is missing"),
    ("participant = 1", 'participant = 1\nnetworks = ["::1"]', "session[1].networks", "need IPv4"),
]


@pytest.mark.promise(
    "The file has passwords only as argon2id hashes; where it has session keys, "
    "others may not read it",
    group="venue",
)
def test_sessions_of_packets_have_keys_and_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    authentic = '"packets-unauthenticated"', '"packets"'
    path, _ = written(tmp_path, *authentic, PACKETS)
    path.chmod(0o600)
    venue = read_venue(path)
    (session,) = venue.packet_sessions
    assert (session.participant, session.key) == (1, bytes.fromhex(KEY))
    assert venue.packets is not None
    assert (venue.packets.text, venue.sessions.sessions) == ("udp:127.0.0.1:9000", ())
    path.chmod(0o644)
    assert "holds session keys, and other users may read it" in mistakes(path)[0][2]
    for old, new, key, words in PACKET_CASES:
        path, _ = written(tmp_path, *authentic, PACKETS.replace(old, new))
        path.chmod(0o600)
        assert [row for row in mistakes(path) if row[1] == key and words in row[2]], (old, new)
    path, _ = written(tmp_path, *authentic)
    assert "needs a session of packets" in mistakes(path)[0][2]


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
@pytest.mark.parametrize(
    ("nats", "mode", "said"),
    [
        ("tls://me:secret@a:4222", 0o644, "holds NATS' password, and other users may read it"),
        ("tls://a:4222,tls://me:secret@b:4222", 0o640, "holds NATS' password"),
        ("tls://a:4222", 0o644, ""),
        ("tls://me:secret@a:4222", 0o600, ""),
    ],
)
def test_a_file_with_the_password_of_nats_is_read_by_its_owner_alone(
    tmp_path: Path, nats: str, mode: int, said: str
) -> None:
    row = f'[durability]\nnats = "{nats}"\n'
    path, _ = written(tmp_path, '"durable" ', '"replicated" ', row)
    path.chmod(mode)
    if said:
        assert said in mistakes(path)[0][2]
    else:
        assert read_venue(path).replication is not None


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
@pytest.mark.parametrize("inline", [True, False])
def test_an_access_file_with_a_password_is_read_by_its_owner_alone(
    tmp_path: Path, inline: bool
) -> None:
    path = tmp_path / "access.json"
    url = "tls://me:secret@a:4222" if inline else "tls://a:4222"
    path.write_text(json.dumps({"urls": [url]} | ({} if inline else {"password": "secret"})))
    path.chmod(0o644)
    with pytest.raises(ReplicaError, match="chmod 600"):
        access_of(str(path))
    path.chmod(0o600)
    assert access_of(str(path)).password == "secret"


ADDRESS = 'address = "127.0.0.1:9000"'


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("udp:[::]:9000", "udp"),
        ("packet:eth1", "packet"),
        ("xdp:eth1:2,udp_port=9000", "xdp"),
        ("dpdk:0000:03:00.0,udp_port=9000", "dpdk"),
    ],
)
def test_packets_come_by_any_device(tmp_path: Path, device: str, kind: str) -> None:
    """In place of an address, which is a kernel socket's."""
    path, _ = written(tmp_path, ADDRESS, f'device = "{device}"')
    packets = read_venue(path).packets
    assert packets is not None
    assert (packets.text, packets.kind) == (device, kind)


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ('device = "eth1"', "port.device", "does not begin with udp:, packet:, xdp:"),
        ('device = "xdp:eth1:queue"', "port.device", "queue is 'queue', not 0 to 4095"),
        (
            'device = "pcap:day.pcap"',
            "port.device",
            "a capture cannot send replies; use another device",
        ),
        (
            'device = "packet:eth1,framing=mold"',
            "port.device",
            "MoldUDP64 packets have no authentication tag",
        ),
        (
            f'{ADDRESS}\ndevice = "packet:eth1"',
            "port.device",
            "the port needs a device as its address",
        ),
        ("", "port.address", "is missing"),
    ],
)
def test_a_device_that_cannot_be(tmp_path: Path, lines: str, key: str, words: str) -> None:
    path, _ = written(tmp_path, ADDRESS, lines)
    ((_, found, message),) = mistakes(path)
    assert found.replace("[1]", "") == key
    assert words in message


def test_only_packets_come_by_a_device(tmp_path: Path) -> None:
    port = PORT.replace('address = "127.0.0.1:9001"', 'device = "xdp:eth1"')
    path, _ = written(tmp_path, more=port + SESSION)
    ((_, key, message),) = mistakes(path)
    assert (key, message) == ("port[2].device", "applies only to a port of packets")


NEVER_CLOSED = """[[schedule]]
name = "never"
day = ["17:00 CONTINUOUS"]
[[schedule]]
"""
SEVEN = 'weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]'


def never_closed(path: Path, old: str = "", new: str = "", calendar: str = "") -> Path:
    """The example with a schedule that never closes, for GOLD and SILVER."""
    path, text = written(path, "[[schedule]]\n", NEVER_CLOSED)
    assert SEVEN in text
    assert old in text
    text = text.replace(old, new, 1).replace(SEVEN, f"{SEVEN if not old else ''}\n{calendar}", 1)
    path.write_text(text)
    return path


def test_a_schedule_of_one_line_never_closes(tmp_path: Path) -> None:
    calendar = read_venue(never_closed(tmp_path)).calendar
    assert calendar.never_closing == {"GOLD", "SILVER"}
    assert calendar.session_resets == {6}, "Sunday"
    path = never_closed(tmp_path, calendar='session_resets = ["Mon", "Fri"]')
    assert read_venue(path).calendar.session_resets == {0, 4}


@pytest.mark.parametrize(
    ("calendar", "key", "words"),
    [
        ("holidays = [2026-12-25]", "calendar.holidays", "never closes: it has no such days"),
        ("more_holidays = [2026-12-25]", "calendar.more_holidays", "it has no such days"),
        ('holidays = "XNYS"', "calendar.holidays", "it has no such days"),
        ("session_resets = []", "calendar.session_resets", "names no day"),
        ('session_resets = ["sunday"]', "calendar.session_resets", "is not one of Mon"),
    ],
)
def test_what_does_not_go_with_a_schedule_that_never_closes(
    tmp_path: Path, calendar: str, key: str, words: str
) -> None:
    found = mistakes(never_closed(tmp_path, calendar=calendar))
    assert [message for _, where, message in found if where == key and words in message]


def test_a_venue_that_never_closes_trades_on_every_weekday(tmp_path: Path) -> None:
    path = never_closed(tmp_path)
    path.write_text(path.read_text().replace(SEVEN, ""))
    ((_, key, message),) = mistakes(path)
    assert (key, message) == (
        "calendar.weekdays",
        "schedule 'never' never closes: name all seven days",
    )


def test_only_a_venue_that_never_closes_resets_its_sessions(tmp_path: Path) -> None:
    path, _ = written(tmp_path, SEVEN, f'{SEVEN}\nsession_resets = ["Sun"]')
    ((_, key, message),) = mistakes(path)
    assert key == "calendar.session_resets"
    assert "sessions end at CLOSED" in message


@pytest.mark.parametrize(
    "steps", ['"09:00 PRE_OPEN"', '"23:59 CLOSED"', '"00:00 PRE_OPEN", "01:00 CONTINUOUS"']
)
def test_other_phases_need_an_end(tmp_path: Path, steps: str) -> None:
    path = never_closed(tmp_path)
    path.write_text(path.read_text().replace('"17:00 CONTINUOUS"', steps))
    ((_, key, message),) = mistakes(path)
    assert (key, "the last of them CLOSED, or one line" in message) == ("schedule[1].day", True)


def test_two_ports_cannot_be_bound_to_one_address(tmp_path: Path) -> None:
    path, text = written(tmp_path, more=PORT + PORT.replace("127.0.0.1", "0.0.0.0") + SESSION)
    ((line, key, message),) = mistakes(path)
    assert (key, "0.0.0.0:9001 is already used in line") == ("port[3].address", message[:36])
    assert "0.0.0.0:9001" in text.splitlines()[line - 1]


def test_all_mistakes_are_reported_at_once_by_the_command(tmp_path: Path) -> None:
    path, text = written(tmp_path, "number = 2", "number = 1\nnmae = 3")
    path.write_text(text.replace("time_every_s = 1", "time_every_s = 0"))
    done = outcry("venue", "check", path)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert [line.split(": ")[2] for line in lines] == [
        "calendar.time_every_s",
        "participant[2].number",
        "participant[2].nmae",
    ]
    document = json.loads(outcry("venue", "check", path, "--json").stdout)
    assert [row["line"] for row in document["mistakes"]] == [
        int(line.split(": ")[1].removeprefix("line ")) for line in lines
    ]


@pytest.mark.promise(
    "The file has passwords only as argon2id hashes; where it has session keys, "
    "others may not read it",
    group="venue",
)
def test_a_password_becomes_a_hash_that_the_file_takes(tmp_path: Path) -> None:
    argon2 = pytest.importorskip("argon2")
    done = outcry("venue", "password", "--generate")
    word, password_hash = done.stderr.removeprefix("password: ").strip(), done.stdout.strip()
    assert argon2.PasswordHasher().verify(password_hash, word)
    path, _ = written(tmp_path, more=PORT + SESSION.replace(HASH, password_hash))
    assert read_venue(path).sessions.sessions[0].password_hash == password_hash


def test_lines_are_found_in_values_of_several_lines() -> None:
    text = '''a = """
b = 1
"""
c = [
  "x = 1", # ]
  { d = 2 },
]
[t.u]
"e" = '[[no]]'
f.g = 1
[[h]]
[[h.i]]
[h.j]
k = 1
[[h]]  # again
k = 2'''
    assert key_lines(text) == {
        ("a",): 1, ("c",): 4, ("t", "u"): 8, ("t", "u", "e"): 9, ("t", "u", "f"): 10,
        ("t", "u", "f", "g"): 10, ("h",): 11, ("h", 0): 11, ("h", 0, "i"): 12,
        ("h", 0, "i", 0): 12, ("h", 0, "j"): 13, ("h", 0, "j", "k"): 14, ("h", 1): 15,
        ("h", 1, "k"): 16,
    }  # fmt: skip


LIMITS = """
[[limits]]
max_qty = 5
[[limits]]
participant = 9
credit = -1
[[limits]]
group = "beta"
instrument = "LEAD"
loss = 5
[[limits]]
participant = 1
group = "alpha"
burst = 5
[[limits]]
group_gross_position = 5
[[limits]]
participant = 1
opening_position = 5
[[limits]]
instrument = "GOLD"
[[limits]]
max_value = 5
[[limits]]
max_value = "some"
[[limits]]
max_value = 6
[[operator]]
name = "anna"
password = "anna"
"""


def test_mistakes_in_limits(tmp_path: Path) -> None:
    path, text = written(tmp_path, "price_step_ticks = 5", "fee = -1\nprice_step_ticks = 5", LIMITS)
    first = text[: text.index("[[limits]]")].count("\n") + 1
    rows = [(line - first, key, message) for line, key, message in mistakes(path)]
    wanted = [
        (1, "limits[1].max_qty", "unknown key; is max_qty_lots meant?"),
        (0, "limits[1]", "sets no limit"),
        (3, "limits[2].participant", "there is no participant 9"),
        (4, "limits[2].credit", "-1 is not 0 to 4611686018427387904"),
        (6, "limits[3].group", "no participant is in group 'beta'"),
        (7, "limits[3].instrument", "there is no instrument 'LEAD'"),
        (8, "limits[3].loss", "applies to all instruments together, but the row names one"),
        (11, "limits[4].group", "name a participant or a group, not both"),
        (12, "limits[4].burst", "needs orders_per_s in the same row"),
        (14, "limits[5].group_gross_position", "applies to a group and all instruments together"),
        (17, "limits[6].opening_position", "applies to one participant in one instrument"),
        (15, "limits[6].opening_price", "is missing next to opening_position"),
        (18, "limits[7]", "sets no limit"),
        (23, "limits[9].max_value", "'some' is not a whole number and not \"none\""),
        (25, "limits[10].max_value", "the limit max_value:everybody:all already exists"),
        (
            28,
            "operator[1].password",
            "is not an argon2 hash; make one with `outcry venue password`",
        ),
    ]
    for line, key, message in wanted:
        assert any((line, key) == (at, name) and message in text for at, name, text in rows), (
            line,
            key,
            rows,
        )
    assert any(key == "instrument[1].fee" for _, key, _ in rows)


def test_the_more_special_limit_counts(tmp_path: Path) -> None:
    more = """
[[limits]]
participant = 1
instrument = "GOLD"
max_qty_lots = "none"
[[limits]]
participant = 1
max_qty_lots = 3
[[limits]]
group = "alpha"
instrument = "SILVER"
max_qty_lots = 2
[[limits]]
max_qty_lots = 1
orders_per_s = 100
burst = 7
"""
    risk = read_venue(written(tmp_path, more=more)[0]).risk
    limits = {
        place[1:]: value for place, value in risk.wanted.items() if place[0] is Setting.MAX_QTY
    }
    assert limits == {
        (1, "GOLD"): (NO_LIMIT, 0),
        (1, "SILVER"): (3, 0),
        (2, "GOLD"): (1, 0),
        (2, "SILVER"): (1, 0),
    }
    assert risk.wanted[Setting.RATE, 2, ""] == (10_000_000, 7)
    assert risk.digest != read_venue(written(tmp_path)[0]).risk.digest


def test_a_rate_without_a_burst_lets_in_what_comes_between_two_times(tmp_path: Path) -> None:
    more = """
[[limits]]
orders_per_s = 100
[[limits]]
participant = 2
orders_per_s = "none"
"""
    for every_s in (1, 60):
        path, _ = written(tmp_path, "time_every_s = 1", f"time_every_s = {every_s}", more)
        wanted = read_venue(path).risk.wanted
        assert wanted[Setting.RATE, 1, ""] == (10_000_000, 100 * every_s)
        assert wanted[Setting.RATE, 2, ""] == (0, 1)


PROTECTION = """
[[protection]]
instruments = ["GOLD", "LEAD"]
luld_bps = 10_001
[[protection]]
instruments = ["GOLD"]
static_bps = 100
pause_s = 0
[[protection]]
call_s = 5
[breaker]
index = { TIN = 1 }
levels_bps = [700, 600, 2_000]
cut_off = "25:00"
halts = 5
"""


def test_mistakes_in_protection(tmp_path: Path) -> None:
    path, text = written(tmp_path, more=PROTECTION)
    text = with_key(text, "SILVER", "max_price_ticks", None)
    path.write_text(text)
    first = text[: text.index("[[protection]]")].count("\n") + 1
    rows = [(line - first, key, message) for line, key, message in mistakes(path)]
    wanted = [
        (1, "protection[1].instruments", "there is no instrument 'LEAD'"),
        (2, "protection[1].luld_bps", "10001 is not 0 to 10000"),
        (0, "protection[1]", "sets no protection"),
        (4, "protection[2].instruments", "GOLD already has a protection, in line "),
        (6, "protection[2].pause_s", "0 is not 1 to 86400"),
        (7, "protection[3]", "sets no protection; set one of luld_bps, static_bps"),
        (10, "breaker.index", "there is no instrument 'TIN'"),
        (11, "breaker.levels_bps", "[700, 600, 2000] must increase"),
        (12, "breaker.cut_off", "'25:00' is not HH:MM"),
        (13, "breaker.halts", "unknown key"),
    ]
    for line, key, message in wanted:
        assert any((line, key) == (at, name) and message in text for at, name, text in rows), (
            line,
            key,
            rows,
        )
    assert any(
        "SILVER is protected (line" in message and "min_price_ticks" in message
        for _, _, message in rows
    )


def test_protection_means_what_it_says(tmp_path: Path) -> None:
    more = """
[[protection]]
volatility_bps = 1_000
together = true
[breaker]
index = { GOLD = 3 }
levels_bps = [0, 1_300, 2_000]
cut_off = "15:00"
"""
    path, text = written(tmp_path, more=more)
    path.write_text(with_key(text, "SILVER", "max_price_ticks", "1_000_000"))
    risk = read_venue(path).risk
    assert (risk.protection, risk.cut_off_s) == (True, 15 * 3600)
    assert risk.wanted[Setting.VOLATILITY, 0, "SILVER"] == (1_000, 300)
    assert risk.wanted[Setting.HALT_GROUP, 0, "GOLD"] == (1, 0)
    assert risk.wanted[Setting.PAUSE, 0, "GOLD"] == (300 * 10**9, 60 * 10**9)
    assert risk.wanted[Setting.BREAKER, 2, ""] == (1_300, 900 * 10**9)
    assert risk.wanted[Setting.INDEX_WEIGHT, 0, "GOLD"] == (3, 0)


TABLES = """
[breaker]
index = { GOLD = 1 }
[market_data]
a = "239.193.0.1:26400"
[[limits]]
credit = 5
[[asset]]
name = "USD"
decimals = 2
"""
OF_ANOTHER_KIND = [
    ("calendar", "[calendar]", "must be a table"), ("breaker", "[breaker]", "must be a table"),
    ("instrument", "[[instrument]]", "must be an array"), ("session", "[[session]]", "must be an"),
    ("port", "[[port]]", "must be an array"), ("schedule", "[[schedule]]", "must be an array"),
    ("limits", "[[limits]]", "must be an array"), ("asset", "[[asset]]", "must be an array"),
]  # fmt: skip


@pytest.mark.parametrize("value", ["5", '"x"', "2026-01-01", "[3]"])
@pytest.mark.parametrize(("table", "header", "words"), OF_ANOTHER_KIND)
def test_a_table_of_another_kind_is_a_mistake_with_its_line(
    table: str, header: str, words: str, value: str, tmp_path: Path
) -> None:
    path, text = written(tmp_path, more=SESSION + PORT + TABLES)
    assert header in text
    text = text.replace(header, header.replace(table, "elsewhere"))
    path.write_text(f"{table} = {value}\n{text}")
    rows = [
        (line, message) for line, key, message in mistakes(path) if key in (table, f"{table}[1]")
    ]
    wanted = words if value != "[3]" or header[1] != "[" else "must be a table"
    assert any(line == 1 and wanted in message for line, message in rows), rows


def test_a_protocol_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    path, _ = written(tmp_path, '"packets-unauthenticated"', "[]")
    assert ("port[1].protocol", "must be a text, not a list") in [row[1:] for row in mistakes(path)]


@pytest.mark.parametrize("other", ["SILVER", "SÎLVER"])
def test_a_symbol_that_is_not_ascii_is_a_mistake(other: str, tmp_path: Path) -> None:
    path, text = written(tmp_path, '"GOLD"', '"GÔLD"')
    path.write_text(text.replace('"SILVER"', f'"{other}"'))
    message = "'GÔLD' is not 1 to 24 printable ASCII characters"
    assert mistakes(path)[0][1:] == ("instrument[1].symbol", message)


def test_files_that_are_no_certificate_and_key_are_a_mistake(tmp_path: Path) -> None:
    tls = '"127.0.0.1:9001"\ncertificate = "c.pem"\nkey = "k.pem"'
    path, _ = written(tmp_path, more=SESSION + PORT.replace('"127.0.0.1:9001"', tls))
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("no PEM\n")
    assert [row[1] for row in mistakes(path)] == ["port[2].certificate"]
    assert "are not a certificate and key in PEM" in mistakes(path)[0][2]
    (tmp_path / "k.pem").unlink()
    assert [row[1] for row in mistakes(path)] == ["port[2].key"]


def test_a_session_may_belong_to_a_participant_that_is_added_later(tmp_path: Path) -> None:
    session = '\n[[session]]\nname = "LATER"\nprotocol = "fix-4.4"\npassword = "$argon2id$x"\n'
    session += "participant = {number}\n"
    for number, wrong in ((300, False), (301, True)):
        capacity = "order_capacity = 131072\nparticipant_capacity = 300"
        path, _ = written(
            tmp_path, "order_capacity = 131072", capacity, session.format(number=number)
        )
        said = [message for _, _, message in mistakes(path)]
        assert (f"there is no participant {number}" in said) == wrong, number


SHM = """
[[session]]
name = "LOCAL"
protocol = "shm"
participant = 1
key = "{key}"
user = 4242
user_group = 77
[[session]]
name = "PORTAL"
protocol = "shm"
participant = 2
acts_for = "1000-1999, 2500"
key = "{key}"
[[port]]
protocol = "shm"
path = "{path}"
"""


def test_sessions_over_shared_memory_have_a_key_a_user_and_a_path(tmp_path: Path) -> None:
    path, _ = written(tmp_path, more=SHM.format(key="ab" * 32, path="my.socket"))
    assert "other users may read it" in mistakes(path)[0][2]
    path.chmod(0o600)
    venue = read_venue(path)
    local, portal = venue.sessions.sessions
    assert (local.protocol, local.key, local.uid, local.gid) == (
        Protocol.SHM,
        bytes.fromhex("ab" * 32),
        4242,
        77,
    )
    assert (local.acts_for, local.may_act(1), local.may_act(1000)) == ((), True, False)
    assert portal.acts_for == ((1000, 1999), (2500, 2500))
    assert [portal.may_act(number) for number in (2, 999, 1000, 2500, 2501)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    (port,) = venue.sessions.ports
    assert (port.protocol, port.path) == (Protocol.SHM, tmp_path / "my.socket")


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('acts_for = "1000-1999, 2500"', 'acts_for = "20-10"', "acts_for", "not a range"),
        ('acts_for = "1000-1999, 2500"', 'acts_for = "all"', "acts_for", "is not ranges"),
        ('acts_for = "1000-1999, 2500"', 'acts_for = "0-9"', "acts_for", "from 1 to 65535"),
        ("user = 4242", 'user = "no-such-user"', "user", "is not a user of this system"),
        ("user = 4242", 'networks = ["10.0.0.0/8"]', "networks", "no port of shm has an address"),
        ("user = 4242", f'password = "{HASH}"', "password", "has a key"),
        ('path = "s"', 'path = "s"\naddress = "127.0.0.1:9"', "address", "has a path"),
        ('path = "s"', 'device = "udp:127.0.0.1:9"', "device", "has a path"),
        ('path = "s"', f'path = "{"long" * 40}"', "path", "more than 107 bytes"),
        ('name = "LOCAL"', 'name = "a b"', "name", "letters, digits"),
    ],
)
def test_mistakes_of_sessions_over_shared_memory(
    tmp_path: Path, old: str, new: str, key: str, words: str
) -> None:
    more = SHM.format(key="ab" * 32, path="s")
    assert old in more
    path, _ = written(tmp_path, more=more.replace(old, new))
    path.chmod(0o600)
    found = [(where, what) for _, where, what in mistakes(path) if where.endswith(f".{key}")]
    assert len(found) == 1, mistakes(path)
    assert words in found[0][1]


def test_a_session_over_shared_memory_may_log_in_over_tcp_from_what_it_names(
    tmp_path: Path,
) -> None:
    more = SHM.format(key="ab" * 32, path="s") + '[[port]]\nprotocol = "shm"\naddress = "[::1]:9"\n'
    path, text = written(tmp_path, more=more.replace("user = 4242", 'networks = ["192.0.2.0/24"]'))
    path.chmod(0o600)
    assert [(where, what) for _, where, what in mistakes(path)] == [
        ("session[1].rings", "a session that logs in over TCP needs rings = true")
    ]
    path.write_text(text.replace("user_group = 77", "rings = true"))
    sessions = read_venue(path).sessions
    assert [(port.path, port.host, port.port) for port in sessions.ports] == [
        (tmp_path / "s", "", 0),
        (None, "::1", 9),
    ]
    assert [[str(one) for one in row.networks] for row in sessions.sessions] == [
        ["192.0.2.0/24"],
        [],
    ]


def test_only_a_session_over_shared_memory_acts_for_others(tmp_path: Path) -> None:
    more = SESSION + 'acts_for = "5-9"\n' + PORT
    path, _ = written(tmp_path, more=more)
    assert [(where, what) for _, where, what in mistakes(path)] == [
        ("session[1].acts_for", "applies only to sessions over shared memory")
    ]


def test_a_rule_of_today_does_not_close_a_venue_of_an_older_release(tmp_path: Path) -> None:
    """The example of the release of 26 November, whose prices are more than OUCH can say."""
    path, text = written(
        tmp_path, "max_price_ticks = 40_000_000", "max_price_ticks = 1_000_000_000"
    )
    text = with_key(text, "SILVER", "max_price_ticks", None) + SESSION + PORT
    path.write_text(text)
    (mistake,) = mistakes(path)
    says = "is 1000000000: OUCH can say 0 to 42949672; change it, or say `ouch = false`"
    assert mistake[1:] == ("instrument[1].max_price_ticks", says)
    refused = outcry("venue", "check", path)
    assert (refused.exit_code, says in refused.output) == (1, True)
    Journal.create(tmp_path / "journal", {}).close()
    venue = read_venue(path)
    assert [tuple(one) for one in venue.warnings] == [mistake]
    assert venue.sessions.not_by_ouch == frozenset()
    checked = outcry("venue", "check", path)
    line = f"line {mistake[0]}: instrument[1].max_price_ticks: {says}"
    assert (checked.exit_code, line in checked.output) == (0, True), checked.output
    # What no release accepted is a mistake as before.
    path.write_text(text.replace("decimals = 4", "decimals = 13"))
    assert [row[1] for row in mistakes(path)] == ["instrument[2].decimals"]
