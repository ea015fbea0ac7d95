"""The attackers of the portal's bench attack."""

import socket
import threading
from contextlib import suppress

from openoutcry.bench.peers.portal_attacker import ADDRESS, Attacker


def test_a_connection_that_is_closed_is_opened_again_and_answers_are_counted():
    asked, peers = [], []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def answer():
            while not attacker.is_over:
                with suppress(TimeoutError):
                    one, peer = listener.accept()
                    peers.append(peer[0])
                    with one:
                        one.recv(100)
                        one.sendall(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")

        def request():
            asked.append(True)
            attacker.is_over = attacker.statuses["429"] >= 4
            return b"GET / HTTP/1.1\r\n\r\n"

        attacker = Attacker(listener.getsockname()[1], 2, request)
        server = threading.Thread(target=answer)
        server.start()
        attacker.run(500.0)
        server.join()
    for one in attacker.sockets:
        if one is not None:
            one.close()
    attacker.poll.close()
    assert attacker.statuses["429"] >= 4
    assert attacker.statuses["closed"] >= 2, "two connections are not enough for four answers"
    assert set(peers) == {ADDRESS}
