"""The desk's record, which is kept in the journal's folder: see journal/desk_record.py."""

from openoutcry.journal.desk_record import MAX_REASON as MAX_REASON
from openoutcry.journal.desk_record import NAME as NAME
from openoutcry.journal.desk_record import DeskRecord as DeskRecord
from openoutcry.journal.desk_record import RecordError as RecordError
from openoutcry.journal.desk_record import desk_record as desk_record
