"""What surveillance cannot do, in words for its user."""

from openoutcry.wire.errors import OutcryError


class SurveillanceError(OutcryError):
    """A journal, settings or cases that surveillance cannot go on with."""


class AuditError(OutcryError):
    """An audit trail that cannot be made, read or believed; the text names file and row."""
