"""A FIX session of an acceptor without a stage: what it forgets is a gap for who asks again."""

from openoutcry.client.fix import read_message, utc_text, whole_message, write_message
from openoutcry.order_entry.fix.endpoint import Endpoint, body_of


def sent(endpoint):
    """What an endpoint has to send now: (type, number, PossDupFlag, NewSeqNo)."""
    data, found = endpoint.output(), []
    while data:
        size = whole_message(data)
        message = read_message(data[:size])
        found.append((message.kind, message.sequence, message.get(43), message.get(36)))
        data = data[size:]
    return found


def told(number, kind, *fields):
    """A message of the client."""
    head = [(35, kind), (49, "A"), (56, "V"), (34, str(number)), (52, utc_text())]
    return write_message([*head, *fields])


def test_what_is_forgotten_comes_as_a_gap_and_room_is_there_again():
    endpoint = Endpoint("V", "A", options=0, data_bytes=1 << 16, out_bytes=1 << 16)
    endpoint.take(told(1, "A", (98, "0"), (108, "30"), (141, "Y")))
    assert [kind for kind, *_ in sent(endpoint)] == ["A"]
    for number in range(200):  # each of them a tenth of the room
        endpoint.say(body_of("W", [(58, f"{number:6000}")]))
        assert [(kind, seq) for kind, seq, *_ in sent(endpoint)] == [("W", number + 2)]
        endpoint.forget()
        assert not endpoint.is_over
    endpoint.say(body_of("W", [(58, "kept")]))
    sent(endpoint)
    endpoint.take(told(2, "2", (7, "150"), (16, "0")))
    assert sent(endpoint) == [("4", 150, "Y", "202"), ("W", 202, "Y", "")]


def test_without_forgetting_a_connection_ends_when_its_room_is_used():
    endpoint = Endpoint("V", "A", options=0, data_bytes=1 << 16, out_bytes=1 << 16)
    endpoint.take(told(1, "A", (98, "0"), (108, "30"), (141, "Y")))
    count = 0
    while not endpoint.is_over:
        endpoint.say(body_of("W", [(58, f"{count:6000}")]))
        sent(endpoint)
        count += 1
    assert count == 11
