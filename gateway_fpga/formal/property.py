# SPDX-License-Identifier: Apache-2.0
"""What is known of a property that is proved."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Property:
    """A property of ``module``, what it says, and a fault that breaks it.

    ``broken`` is a text that is found once in the RTL, and the text that replaces it to make a
    faulty variant. The text is in ``file``; without that, in the module's own. The variant must be
    caught within ``depth`` cycles, with ``parameters`` that bring the fault about sooner.
    """

    name: str
    module: str
    sentence: str
    broken: tuple[str, str]
    file: str = ""
    depth: int = 12
    parameters: Mapping[str, int] = field(default_factory=dict)
