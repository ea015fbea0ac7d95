"""What is wrong with an audit trail, or with what is asked of it."""

from openoutcry.wire.errors import OutcryError


class AuditError(OutcryError):
    """An audit trail that cannot be made, read or believed; the text names file and row."""
