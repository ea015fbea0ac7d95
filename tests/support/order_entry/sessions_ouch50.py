"""What the tests of sessions ouch50 in several tiers share."""

from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol

OUCH50_PORT, COPY_PORT = int(Protocol.OUCH50), int(Protocol.DROP_COPY)
KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
