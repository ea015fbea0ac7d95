"""Alarms by mail, over TLS or not at all where that was asked for."""

import socket
import ssl
import threading

import pytest

from openoutcry.operations.notify import MailServer, NotifyError, send_mail
from tests.support.certificates import self_signed
from tests.support.waiting import BOUND_S


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate of 127.0.0.1, which vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("pair")
    return self_signed(folder / "cert.pem", folder / "key.pem", "mail")


class Server(threading.Thread):
    """Takes one connection; ``got`` are the lines that came, each with whether it was in the
    clear."""

    def __init__(self, pair, tls, offers=True):
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.tls, self.offers, self.got = tls, offers, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(BOUND_S)
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        connection.settimeout(BOUND_S)
        try:
            if self.tls == "always":
                connection = self.context.wrap_socket(connection, server_side=True)
            self.talk(connection)
        except OSError:
            pass  # it was told that the certificate is not trusted
        finally:
            connection.close()
            self.listener.close()

    def talk(self, connection):
        clear = self.tls != "always"
        connection.sendall(b"220 test\r\n")
        data, body = b"", False
        while chunk := connection.recv(4096):
            data += chunk
            while b"\r\n" in data:
                row, data = data.split(b"\r\n", 1)
                self.got.append((clear, row))
                if body:
                    body = row != b"."
                    if not body:
                        connection.sendall(b"250 ok\r\n")
                    continue
                word = row[:4].upper()
                body = word == b"DATA"
                if word == b"STAR":
                    connection.sendall(b"220 go on\r\n")
                    connection = self.context.wrap_socket(connection, server_side=True)
                    clear = False
                elif word == b"EHLO" and self.offers and clear:
                    connection.sendall(b"250-test\r\n250 STARTTLS\r\n")
                else:
                    connection.sendall(
                        {b"DATA": b"354 go on", b"QUIT": b"221 bye"}.get(word, b"250 ok") + b"\r\n"
                    )
                if word == b"QUIT":
                    return


def send(server, tls, authorities=None):
    try:
        send_mail(
            MailServer("127.0.0.1", server.port, tls, authorities),
            "v@x.example",
            ["a@b.example"],
            "the subject",
            "a secret of the venue",
        )
    finally:
        server.join(BOUND_S)
    assert not server.is_alive()


@pytest.mark.parametrize("tls", ["starttls", "always"])
def test_over_tls_nothing_of_a_mail_is_in_the_clear(pair, tls):
    server = Server(pair, tls)
    send(server, tls, pair[0])
    rows = [row for _, row in server.got]
    assert b"a secret of the venue" in rows
    begun = next(index for index, (clear, _) in enumerate(server.got) if not clear)
    assert all(row[:4].upper() in (b"EHLO", b"STAR") for row in rows[:begun])


def test_without_tls_it_goes_as_it_is(pair):
    server = Server(pair, "never")
    send(server, "never")
    assert (True, b"a secret of the venue") in server.got


@pytest.mark.parametrize("tls", ["starttls", "always"])
def test_a_server_without_a_trusted_certificate_gets_nothing(pair, tls):
    server = Server(pair, tls)
    with pytest.raises(NotifyError, match="certificate verify failed"):
        send(server, tls)
    assert not any(b"secret" in row for _, row in server.got)


def test_a_server_without_starttls_gets_nothing_if_it_was_asked_for(pair):
    server = Server(pair, "starttls", offers=False)
    with pytest.raises(NotifyError, match="STARTTLS"):
        send(server, "starttls", pair[0])
    assert not any(b"secret" in row for _, row in server.got)
