"""Participants trade over OUCH 4.2 on real sockets with a pipeline in processes of its own, in the
clear and over TLS.  What does not need processes is in tests/unit/order_entry."""

import ssl
import subprocess

import pytest

from openoutcry.client import ClientError, OuchClient
from openoutcry.console.screen.trader import connect
from openoutcry.order_entry.spec import PortSpec, Protocol
from tests.support.order_entry.sessions_venue import Client, Venue

SESSIONS = [{"name": "ONE", "participant": 1}, {"name": "TWO", "participant": 2}]


def test_two_participants_log_in_over_tcp_and_trade(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal") as venue:
        assert venue.client("ONE", password="wrong").answer == ("J", b"A")
        one, two = venue.client("ONE"), venue.client("two")
        one.enter("a1", "B", 100)
        assert one.message()[1]["token"] == "a1".ljust(14)
        two.enter("b1", "S", 40)
        assert [two.message()[0] for _ in range(2)] == ["A", "E"]
        assert one.message()[1]["shares"] == 40
        one.close()
        again = venue.client("ONE")
        assert [again.packet()[1] for _ in one.messages] == one.messages
        for client in (again, two):
            client.close()
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True


@pytest.mark.promise("A port with a certificate speaks TLS from end to end", group="venue")
@pytest.mark.promise(
    "V9.2.2: to a port of the venue that has a certificate it speaks TLS, and trusts "
    "that certificate alone",
    group="screen",
)
def test_tls_is_relayed(tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=venue", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with Venue(SESSIONS, tls=[str(certificate), str(key)], durability="none") as venue:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        client = Client(venue.port, "ONE", tls=context)
        client.enter("a1", "B", 1)
        assert client.message()[0] == "A"
        client.close()
        # The client library's; and the screen's, which trusts the port's certificate alone.
        where = "127.0.0.1", venue.port
        with OuchClient(*where, "TWO", "secret", tls=context) as other:
            other.buy("ACME", 1, "1.00", name="b1")
            assert other.next().kind == "A"
        port = PortSpec(Protocol.OUCH42, *where, certificate, key)
        with connect(port, "TWO", "secret", "", 1) as other:
            assert other.next()["token"] == "b1"
        foreign = tmp_path / "foreign.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=venue",
             "-keyout", tmp_path / "f.pem", "-out", foreign],
            check=True, capture_output=True,
        )  # fmt: skip
        with pytest.raises(ClientError, match="CERTIFICATE_VERIFY_FAILED"):
            connect(PortSpec(Protocol.OUCH42, *where, foreign, key), "TWO", "secret", "", 1)
