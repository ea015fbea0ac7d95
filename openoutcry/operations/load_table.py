"""The load budget of every listener: which module listens, what bounds each kind of load, and the
test that attacks it.

``{room.module.NAME}`` in a bound is the constant that a listener enforces.  A test finds where the
product listens, and ``tests/support/documents/listeners.py`` writes the table into
``docs/security.md``.
"""

from dataclasses import dataclass

WEB = (
    "{operations.connection_limits.MAX_WITHOUT_LOGIN} without a login; an address opens "
    "{operations.connection_limits.OPENED}; "
)
AS_MANY = "; as many more whose request is answered"
WEB_BYTES = (
    "Head {operations.http_protocol.MAX_HEAD} bytes in {operations.http_protocol.HEAD_S} s. "
    "Request in {operations.http_protocol.REQUEST_S} s, one parsed at a time. "
)
FRAMES = "Idle frames of a connection: {operations.connection_limits.FRAMES}"
UNREAD = "answer left unread for {operations.http_protocol.UNREAD_S} s ends the connection"
ATTACKED = "tests/system/operations/test_load_budgets.py"
AS_PROCESSES = "tests/system/operations/test_load_attacks.py"


@dataclass(frozen=True)
class Listener:
    """A door of the product: ``modules`` make its socket or accept on it."""

    name: str
    modules: tuple[str, ...]
    connections: str
    """Connections, in all and of one owner."""
    requests: str
    """Bytes and messages of a connection, address or account, and their time."""
    unread: str
    """What waits for a client that does not read, and other memory."""
    test: str


LISTENERS = (
    Listener(
        "portal",
        ("operations/web_server.py", "operations/connection_limits.py"),
        WEB + "{portal.server.MAX_OF_AN_ADDRESS} of an address" + AS_MANY,
        WEB_BYTES + "Weights by address and key (portal/spot/limits.py). " + FRAMES,
        UNREAD,
        AS_PROCESSES,
    ),
    Listener(
        "console and screen",
        ("operations/web_server.py", "operations/connection_limits.py"),
        WEB + "{operations.connection_limits.MAX_MEMBER} of a name" + AS_MANY,
        WEB_BYTES + "Reads of a name {console.gate.READS}, actions {console.gate.ACTIONS}. Bodies "
        "{console.gate.BODY_BYTES} bytes. " + FRAMES,
        UNREAD,
        AS_PROCESSES,
    ),
    Listener(
        "metrics",
        ("operations/scrape.py",),
        "{operations.scrape.MAX_CONNECTIONS}, as many whose request is answered; the address with "
        "most gives way",
        "one request in {operations.scrape.REQUEST_S} s, one answered at a time; of an address "
        "{operations.scrape.SCRAPES}",
        "one answer a connection",
        ATTACKED,
    ),
    Listener(
        "sessions: OUCH, FIX, drop copy, shared memory, also over TCP",
        ("order_entry/sessions.py", "order_entry/shm_login.py", "order_entry/acceptor.py"),
        "{order_entry.acceptor.MAX_WAITING} without a login, as many whose login is checked; one "
        "of a session",
        "login in {order_entry.acceptor.LOGIN_S} s, checked {order_entry.acceptor.MAX_HASHING} at "
        "once. Handshakes of TLS {order_entry.acceptor.HANDSHAKES}, of an address "
        "{order_entry.acceptor.HANDSHAKES_EACH}. Logins of a session "
        "{order_entry.acceptor.LOGINS}, messages by its `messages_per_s`",
        "`queue_bytes` of a session, then it is disconnected; over shared memory "
        "{order_entry.acceptor.MAX_UNREAD_EACH} answers to logins of a user, and the segments of "
        "a session's last {order_entry.acceptor.KEPT_SEGMENTS} logins",
        AS_PROCESSES,
    ),
    Listener(
        "a test venue's ports",
        ("faults/lines.py", "faults/serve.py"),
        "{faults.lines.MAX_LINES}, {faults.lines.MAX_LINES_EACH} of an address",
        "those of the sessions behind it",
        "as its transport holds, then the other side is not read",
        "tests/system/faults/test_doors.py",
    ),
    Listener(
        "requests for quotes over FIX",
        ("portal/native/quote_door.py",),
        "{portal.native.quote_door.MAX_WAITING} without a Logon, as many whose Logon is checked; "
        "with one "
        "{portal.native.quote_door.MAX_LINES}, {portal.native.quote_door.MAX_OF_ONE} of a "
        "participant",
        "Logon in {portal.native.quote_door.LOGON_S} s; messages by the portal's weights",
        "{portal.native.quote_door.MAX_UNSENT_BYTES} bytes",
        ATTACKED,
    ),
    Listener(
        "brokers between a portal's processes",
        ("portal/trading/peer_broker.py",),
        "the portal's own processes, in its private folder",
        "lines of {portal.trading.peer_broker.LINE_BYTES} bytes; "
        "{portal.trading.peer_broker.MAX_UNDER_WAY} of a connection under way",
        "an answer left unread stops reading; "
        "{portal.trading.peer_broker.MAX_UNREAD_BYTES} bytes end the connection",
        AS_PROCESSES,
    ),
    Listener(
        "custody's door and signers",
        ("custody/sockets.py",),
        "{custody.sockets.MAX_CLIENTS}; the oldest gives way after {wire.load_limits.LEAST_S} s",
        "one request of {custody.sockets.MAX_REQUEST} bytes in {custody.sockets.REQUEST_S} s",
        "answer taken in {custody.sockets.TAKE_S} s",
        ATTACKED,
    ),
    Listener(
        "the venue's desk",
        ("venue/desk.py",),
        "{venue.desk.MAX_CLIENTS}; the oldest without a request gives way",
        "one request of {venue.desk.MAX_REQUEST} bytes; one login a turn",
        "one answer a connection",
        ATTACKED,
    ),
    Listener(
        "the router's control",
        ("routing/control.py",),
        "{routing.control.MAX_LINKS}; the oldest gives way after {wire.load_limits.LEAST_S} s",
        "one request of {routing.control.MAX_BYTES} bytes",
        "one answer a connection",
        ATTACKED,
    ),
    Listener(
        "pages of market data",
        ("market_data/pages.py", "market_data/public_feed.py"),
        "{market_data.pages.MAX_SUBSCRIBERS}, {market_data.pages.MAX_SUBSCRIBERS_EACH} of an "
        "address",
        "requests of {market_data.pages.REQUEST_BYTES} bytes: {market_data.pages.REQUESTS}",
        "{market_data.pages.WRITE_LIMIT_BYTES} bytes, then the present view",
        AS_PROCESSES,
    ),
    Listener(
        "market data over FIX",
        ("venue/market_data_door.py", "market_data/public_feed.py"),
        "{venue.market_data_door.MAX_WAITING} without a Logon; with one "
        "{venue.market_data_door.MAX_LINES}, {venue.market_data_door.MAX_LINES_EACH} of an address",
        "Logon in {venue.market_data_door.LOGON_S} s; Logons of an address "
        "{venue.market_data_door.LOGONS}. Pieces of "
        "{venue.market_data_door.PIECE_BYTES} bytes: {venue.market_data_door.READS}, as "
        "many more for what is answered, and one for {venue.market_data_door.SYMBOLS_A_PIECE} "
        "symbols that are named. "
        "{venue.market_data_door.MAX_ASKED} symbols of a connection",
        "{venue.market_data_door.WRITE_LIMIT_BYTES} bytes and one message, then the present book; "
        "after {venue.market_data_door.UNREAD_S} s the connection ends",
        "tests/system/market_data/test_fix_market_data.py",
    ),
    Listener(
        "the stream of a feed",
        ("market_data/stream.py", "market_data/public_feed.py"),
        "{market_data.stream.MAX_CLIENTS}, {market_data.stream.MAX_CLIENTS_EACH} of an address",
        "packets: {market_data.stream.PACKETS}; silent for {market_data.stream.SILENCE_S} s at "
        "most",
        "{market_data.stream.PIECE_BYTES} bytes",
        AS_PROCESSES,
    ),
    Listener(
        "snapshots of a feed",
        (
            "market_data/feed_process.py",
            "market_data/public_feed.py",
            "market_data/snapshot_logins.py",
        ),
        "{market_data.feed_process.SNAPSHOTS_AT_ONCE}, {market_data.feed_process.SNAPSHOTS_EACH} "
        "of an address; without a whole login {market_data.snapshot_logins.WAITING_AT_ONCE}, "
        "{market_data.snapshot_logins.WAITING_EACH} of an address, as many with one; the oldest "
        "of that address or the one with most gives way",
        "login in {market_data.glimpse.TIMEOUT_S} s and "
        "{market_data.snapshot_logins.MOST_READS} parts; "
        "{market_data.feed_process.SNAPSHOTS_EACH_S} a second of an address; forks take "
        "{market_data.feed_process.FORK_TIMES} times less than the feed",
        "{market_data.glimpse.SLOWEST_BYTES_PER_S} bytes a second are read at least",
        "tests/unit/market_data/test_cheap_clients.py",
    ),
    Listener(
        "retransmission, and groups that a client joins",
        ("market_data/publisher.py", "market_data/public_feed.py"),
        "datagrams",
        "`requests_per_s` of a client, {market_data.publisher.CLIENTS_OF_A_HOST} times that of a "
        "host; {market_data.publisher.REQUESTS_A_TURN} a turn",
        "one packet a request",
        "tests/system/sessions/test_venue_feed_hostile.py",
    ),
    Listener(
        "order packets",
        ("dpdk_shim/ports.py",),
        "datagrams",
        "orders of a participant by its rate (`dpdk_shim/c/shim.c`)",
        "rings of a fixed size",
        "tests/system/attacks/test_overload.py",
    ),
)
