"""What the bodies of requests have in common."""

from typing import ClassVar


class Body:
    """Base of the dataclasses that requests' JSON is read into: an unknown field is an error."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
