"""The words of the sessions stage's context."""

from openoutcry.runtime.words import StageContext
from openoutcry.wire.layout import Layout, Words, i64


class SessionsContext(StageContext):
    """The words of the sessions stage's context."""

    region: int = i64("address of the sessions' shared memory")
    codecs: int = i64("address of the protocols' kernels")
    lane_ring: int = i64("address of the sessions' lane")
    lane_mask: int = i64("its slots, less one")
    lane_limit: int = i64("last sequence that may be claimed on it, as last looked up")
    lane_words: int = i64(
        "address of a word a global sequence: lane and lane sequence of a command"
    )
    received: int = i64("address of when it was received")
    epoll: int = i64("the descriptor")
    epoll_events: int = i64("address of room for its events")
    acceptor: int = i64("the socket that connections come by")
    message: int = i64("address of the struct msghdr for it; its buffers follow")
    next_timer: int = i64("when a timer is due")
    dirty_list: int = i64("address of the indices of sessions that have something to send")
    dirty_count: int = i64("how many there are")
    pending_count: int = i64("sessions with whole messages left in their input")
    closed: int = i64("1: the lane takes nothing more")
    closing_ns: int = i64("since when the last bytes are being sent")
    turn: int = i64("checks of sockets so far")
    last_active_session: int = i64(
        "session whose socket alone had something at the last look at all, 0: none"
    )
    shm_list: int = i64("address of the indices of connected sessions over shared memory")
    shm_count: int = i64("how many there are")
    shm_turn: int = i64("last turn in which one of them had a request")
    now_ns: int = i64("when they were looked at last")
    asked_ns: int = i64("and sockets, while one of them is connected")
    unasked: int = i64("requests by shared memory since then")
    timed: int = i64("sessions that wait for a time: lost ones, and what is done to them in parts")
    unwatched: int = i64("not 0: work may come that no socket shows")
    unseen: int = i64("events that wait for the disk, by which there will be work")
    released: int = i64("address of when the events of commands were released")
    doors: int = i64("address of a row a protocol, by its number")
    told: int = i64("address of rows of what was said in this turn")
    told_count: int = i64("how many there are")
    notes: Words = i64("address of what the core notes, a word a slot of the event ring", of=Words)


class DoorRow(Layout, size_bytes=16):
    """Histograms of a protocol's door; 0: of no door."""

    visible: int = i64("address of: an event's release -> it is with the socket or the segment")
    answered: int = i64("address of: a message's receipt -> each of its answers is")


class ToldRow(Layout, size_bytes=24):
    """An event on its way to a session, until it is with its socket."""

    session: int = i64("the session's index")
    released_ns: int = i64("when it was released")
    received_ns: int = i64("when the message that it answers was received, 0: it answers none")


REGION = SessionsContext.offset("region")
CODECS = SessionsContext.offset("codecs")
LANE_RING = SessionsContext.offset("lane_ring")
LANE_MASK = SessionsContext.offset("lane_mask")
LANE_WORDS = SessionsContext.offset("lane_words")
RECEIVED = SessionsContext.offset("received")
EPOLL = SessionsContext.offset("epoll")
EPOLL_EVENTS = SessionsContext.offset("epoll_events")
ACCEPTOR = SessionsContext.offset("acceptor")
MESSAGE = SessionsContext.offset("message")
DIRTY_LIST = SessionsContext.offset("dirty_list")
PENDING_COUNT = SessionsContext.offset("pending_count")
CLOSED = SessionsContext.offset("closed")
SHM_LIST = SessionsContext.offset("shm_list")
RELEASED = SessionsContext.offset("released")
DOORS = SessionsContext.offset("doors")
TOLD = SessionsContext.offset("told")
NOTES = SessionsContext.offset("notes")
UNWATCHED = SessionsContext.offset("unwatched")
UNSEEN = SessionsContext.offset("unseen")


LANE = 2
"""Number of the sessions' lane."""
MESSAGES_A_TURN = 64
"""Messages of one session in a step, then others have theirs."""
