"""The words of the sessions stage's context."""

from openoutcry.pipeline.contract import words as w

(
    HALL,
    CODECS,
    LANE_RING,
    LANE_MASK,
    LANE_LIMIT,  # last sequence that may be claimed on the lane, as last looked up
    LANE_WORDS,  # by global sequence: whence a command came
    RECEIVED,  # and when
    EPOLL,
    EPOLL_EVENTS,
    DOORMAN,  # the socket that connections come by
    MESSAGE,  # struct msghdr for it, its buffers behind it
    NEXT_TIMER,
    DIRTY_LIST,  # indices of the sessions that have something to send
    DIRTY_COUNT,
    PENDING_COUNT,  # sessions with whole messages left in their input
    CLOSED,  # 1: the lane takes nothing more
    CLOSING_NS,  # since when the last bytes are being sent
    TURN,  # looks at sockets so far
    ONLY,  # session whose socket alone had something at the last look at all, 0 none
) = w.own_words(19)

LANE = 2
"""Number of the sessions' lane."""
MESSAGES_A_TURN = 64
"""Messages of one session in a step, then others have theirs."""
