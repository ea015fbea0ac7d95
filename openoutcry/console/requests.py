"""What a page may ask for, as plain data: checked by FastAPI before it gets anywhere."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

try:
    from pydantic import StrictBool as StrictBool
    from pydantic import StrictInt as StrictInt
except ImportError:  # without the extra `console` no page asks
    StrictBool, StrictInt = bool, int  # type: ignore[misc]


@dataclass
class ActionRequest:
    """``why`` is wanted with every action."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # type: ignore[misc]
    why: str


@dataclass
class Login:
    """``code``: of the authenticator, if the operator has one."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # type: ignore[misc]
    name: str
    password: str
    code: str = ""


@dataclass
class Confirm:
    """The operator of the session proves itself again; ``code``: of the authenticator, if there is
    one."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # type: ignore[misc]
    password: str
    code: str = ""


@dataclass
class Switch(ActionRequest):
    """Kill, or let trade again."""

    what: Literal["session", "participant", "group", "instrument", "market"]
    name: str = ""


@dataclass
class OfInstrument(ActionRequest):
    """``*``: every instrument, of a halt."""

    instrument: str


@dataclass
class OfState(ActionRequest):
    """Another state of an instrument, which takes two supervisors, each with a password.

    ``price``: ticks, of a contract that is delisted with positions; 0: none."""

    instrument: str
    password: str
    price: StrictInt = 0
    code: str = ""


@dataclass
class OfSession(ActionRequest):
    """``name``: of a session in the venue file."""

    name: str


@dataclass
class Open(ActionRequest):
    """Opening the market takes two supervisors, each with a password."""

    password: str
    code: str = ""


@dataclass
class SetLimit(ActionRequest):
    """A limit; widening it takes a password, and another supervisor.

    ``value``: ``none``, a number, or an amount as decimal text."""

    limit: str
    value: StrictInt | str
    participant: StrictInt = 0
    group: str = ""
    instrument: str = ""
    burst: StrictInt = 0
    password: str = ""
    code: str = ""


@dataclass
class OfIssuer(ActionRequest):
    """An issuer's action, which takes two supervisors, each with a password. ``price``: ticks after
    it; 0: worked out of the last one."""

    instrument: str
    password: str
    price: StrictInt = 0
    code: str = ""


@dataclass
class Dividend(OfIssuer):
    """``amount`` for each ``lots``: units, or decimal text of the instrument's money."""

    amount: StrictInt | str = 0
    lots: StrictInt = 1


@dataclass
class Split(OfIssuer):
    """``new`` lots for ``old`` ones."""

    new: StrictInt = 0
    old: StrictInt = 0


@dataclass
class Close(ActionRequest):
    """``typed``: the venue's name, as a confirmation."""

    typed: str


@dataclass
class DecideIdentity(ActionRequest):
    """``submission``: of the row that the operator has read.  ``level``: 0 is the one that was
    asked for.  The operator's password proves each decision."""

    submission: str
    accept: StrictBool
    password: str
    level: StrictInt = 0
    despite_matches: StrictBool = False
    code: str = ""


@dataclass
class Acknowledge(ActionRequest):
    """An alarm by its name and labels."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
