"""What an account may do in each of its states: one table, asked where an action happens.

A sub-account is frozen with its main account.  An action on a sub-account, or between two accounts,
is asked for each of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import rows_of
from openoutcry.risk.bits import ParticipantStatus


class State(StrEnum):
    """State of an account."""

    ACTIVE = "active"
    FROZEN = "frozen"
    """The operator of the portal has frozen it, or its main account."""
    SUSPENDED = "suspended"
    """The operator of the venue has suspended its participant."""
    CLOSED = "closed"
    """The operator of the venue has closed its participant for good."""


class Action(StrEnum):
    """What an account does, or what is done with it."""

    READ = "read"
    """Balances, orders, history, settings; logins and logouts, and the language."""
    REVOKE = "revoke"
    """End sessions and revoke keys."""
    PROVE = "prove"
    """Send papers that prove who its owner is."""
    SETTINGS = "settings"
    """Choose which notifications go where."""
    IDENTITY = "identity"
    """Change mail address, password, authenticator, passkeys or provider."""
    KEY = "key"
    SUB_ACCOUNT = "sub-account"
    TRADE = "trade"
    """Enter, change and cancel orders; ask for quotes and answer."""
    TRANSFER = "transfer"
    """Move money between accounts of one owner, in either direction."""
    WITHDRAW = "withdraw"
    """Ask for withdrawals, confirm and cancel them; change the list of addresses."""


MONEY = frozenset((Action.TRADE, Action.TRANSFER, Action.WITHDRAW))
LEFT = frozenset((Action.READ, Action.REVOKE, Action.PROVE))
"""What is left to an account that can change nothing."""
ALLOWED: Mapping[State, frozenset[Action]] = {
    State.ACTIVE: frozenset(Action),
    State.FROZEN: LEFT,
    State.SUSPENDED: frozenset(Action) - MONEY,
    State.CLOSED: LEFT,
}
AT_THE_VENUE = {
    ParticipantStatus.SUSPENDED: State.SUSPENDED,
    ParticipantStatus.CLOSED: State.CLOSED,
}
WORDS = {
    State.FROZEN: "the operator has frozen this account",
    State.SUSPENDED: "the venue has suspended this account",
    State.CLOSED: "the venue has closed this account",
}


class Frozen(AccountError):
    """The account may not do this in its state; ``code`` names the state."""

    status, code = 403, "frozen"

    def __init__(self, state: State, why: str = "") -> None:
        super().__init__(f"{WORDS[state]}: {why}" if why else WORDS[state])
        self.code = str(state)


def state_of(is_frozen: bool, status: ParticipantStatus) -> State:
    """The state of an account; ``status``: of its participant, as the core has it."""
    if is_frozen and status is not ParticipantStatus.CLOSED:
        return State.FROZEN
    return AT_THE_VENUE.get(status, State.ACTIVE)


def require(state: State, action: Action, why: str = "") -> None:
    """Raise :class:`Frozen` unless an account in this state may do it; ``why``: what its owner is
    told."""
    if action not in ALLOWED[state]:
        raise Frozen(state, why)


async def locked_states(connection: Any, users: tuple[int, ...]) -> list[dict[str, Any]]:
    """The rows of accounts and of their main accounts, locked until the transaction ends, so that
    a freeze comes before an action or after it.  Main accounts have the smaller number."""
    query = """
        select id, participant, is_open, frozen_at, frozen_told from users
        where id = any(%(ids)s) or id in (select parent_id from users where id = any(%(ids)s))
        order by id for update
    """
    return await rows_of(connection, query, {"ids": list(users)})
