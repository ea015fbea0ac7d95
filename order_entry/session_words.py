"""The words of the sessions stage's context."""

from openoutcry.pipeline.contract.words import StageContext
from openoutcry.wire.layout import i64


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
    turn: int = i64("looks at sockets so far")
    last_active_session: int = i64(
        "session whose socket alone had something at the last look at all, 0: none"
    )
    shm_list: int = i64("address of the indices of connected sessions over shared memory")
    shm_count: int = i64("how many there are")


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


LANE = 2
"""Number of the sessions' lane."""
MESSAGES_A_TURN = 64
"""Messages of one session in a step, then others have theirs."""
