"""What is known of a property that is proved."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Property:
    """``broken`` is a text that stands once in the RTL (``file``, without it the module's own) and
    what it is replaced by for the variant that must be caught within ``depth`` cycles, with
    ``parameters`` that bring the fault about sooner."""

    name: str
    module: str
    sentence: str
    broken: tuple[str, str]
    file: str = ""
    depth: int = 12
    parameters: Mapping[str, int] = field(default_factory=dict)
