"""What surveillance cannot do, in words for its user."""

from openoutcry.wire.errors import OutcryError


class SurveillanceError(OutcryError):
    """A journal, settings or cases that surveillance cannot go on with."""
