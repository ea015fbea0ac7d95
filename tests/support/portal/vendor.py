"""A vendor of identities: an HTTP server on this machine, and the portal's adapter of it.

    python -m tests.support.portal.vendor PORT FOLDER

An answer waits until the file ``release`` is in the folder; ``asked`` has a line for each request.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

from openoutcry.portal.accounts.identities import Said
from openoutcry.portal.accounts.reviews import Paper

URL = "TEST_VENDOR"


class Vendor:
    """The adapter."""

    def decide(
        self, reference: str, said: Said, papers: Sequence[Paper]
    ) -> tuple[bool, str] | None:
        files = [base64.b64encode(one.read()).decode() for one in papers]
        body = {"reference": reference, "name": said.name, "files": files}
        request = Request(os.environ[URL], json.dumps(body).encode(), method="POST")
        with urlopen(request, timeout=60) as answer:
            decided = json.load(answer)
        return None if decided is None else (decided["accepted"], decided["why"])


def main(port: int, folder: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with (folder / "asked").open("a") as out:
                out.write(f"{asked['reference']} {len(asked['files'])}\n")
            while not (folder / "release").exists():
                time.sleep(0.01)
            answer = {"accepted": "Refused" not in asked["name"], "why": "by the vendor"}
            body = json.dumps(None if "Pending" in asked["name"] else answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
