"""Two signers and an attestor, each with a token of SoftHSM: processes, or objects of the test."""

import os
import subprocess
from pathlib import Path

from openoutcry.custody.attestor import LABEL, Attestor
from openoutcry.custody.hsm import SOFTHSM, Hsm
from openoutcry.custody.links import Links
from openoutcry.custody.signer import Signer, read_signer_file, readers_of
from openoutcry.custody.signer_policy import Policy
from openoutcry.custody.statement import Statement
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until

PIN = "918273"
VENUE = "OUTCRY"
COIN = 10**8
TEXT = """
[signer]
socket = "signer{number}.sock"
store = "signer{number}.sqlite"
module = "{module}"
token = "signer{number}"
venue = "OUTCRY"
attestor = "{attestor}"
destination_wait_s = {wait}
[[wallet]]
chain = "LTC-regtest"
kind = "utxo"
asset = "LTC"
network = "ltc-regtest"
hot = "{hot}"
cold = "{cold}"
[[limit]]
asset = "LTC"
chain = "LTC-regtest"
a_payment = {a_payment}
an_hour = {an_hour}
a_day = {a_day}
fee = 1_000_000
fees_a_day = 20_000_000
"""


def softhsm(folder: Path, *names: str) -> None:
    """Tokens in ``folder``, for this process and its children.  A module reads its tokens once: it
    is started again where another test has used it."""
    tokens = folder / "tokens"
    tokens.mkdir(exist_ok=True)
    path = folder / "softhsm2.conf"
    path.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(path)
    for name in names:
        command = ["softhsm2-util", "--init-token", "--free", "--label", name, "--pin", PIN]
        subprocess.run([*command, "--so-pin", "5678"], check=True, capture_output=True)
    import pkcs11

    pkcs11.lib(str(SOFTHSM)).reinitialize()


NAMES = ("attestor", "signer1", "signer2")


class Party:
    """In ``folder``; ``fixed``: the private keys of the two signers."""

    def __init__(self, folder, venue, fixed, hot, cold, wait=0, **limits):
        self.folder, self.venue = folder, venue
        limits = {"a_payment": 50 * COIN, "an_hour": 100 * COIN, "a_day": 200 * COIN} | limits
        self.attesting = Hsm(SOFTHSM, "attestor", PIN)
        self.attestor_key = self.attesting.make_key(LABEL)
        self.hsms = []
        for number, key in enumerate(fixed, 1):
            hsm = Hsm(SOFTHSM, f"signer{number}", PIN)
            public = key.get_public_key()
            public.compressed = False
            hsm.import_key("utxo", key.secret, public.sec())
            self.hsms.append(hsm)
            values = {"number": number, "hot": hot, "cold": cold, "wait": wait, "module": SOFTHSM}
            text = TEXT.format(attestor=self.attestor_key.hex(), **values, **limits)
            (folder / f"signer{number}.toml").write_text(text)
        self.attestor = Attestor(VENUE, venue, self.attesting)
        self.policies = []
        self.open()

    def open(self):
        for one in self.policies:
            one.close()
        self.policies, self.signers = [], []
        for number, hsm in enumerate(self.hsms, 1):
            file = read_signer_file(self.folder / f"signer{number}.toml")
            terms = file.venue, file.attestor_key, file.limits, file.destination_wait_s
            self.policies.append(Policy(file.store, *terms))
            self.signers.append(Signer(hsm, self.policies[-1], readers_of(file)))

    def close(self):
        for one in (*self.policies, *self.hsms, self.attesting):
            one.close()

    # As the payer sees them

    def last_number(self):
        return max(one.policy.last_number() for one in self.signers)

    def state(self, reference, participant):
        request = {"do": "state", "reference": reference, "participant": participant}
        answer = self.attestor.answer(request)
        return Statement(**answer["statement"]), answer["signature"]

    def refused(self, chain, claims, body=None):
        request, found = {"do": "refused", "chain": chain, "claims": claims, "body": body}, {}
        for one in self.signers:
            found |= one.answer(request)["refusals"]
        return found

    def sign(self, number, chain, claims, body):
        request = {"do": "sign", "number": number, "chain": chain, "claims": claims, "body": body}
        return [one.answer(request) for one in self.signers]

    def asked(self):
        return {f"signer{n}": one.policy.asked() for n, one in enumerate(self.signers, 1)}

    def announce(self, rows):
        for one in self.signers:
            for row in rows:
                one.policy.announce(*row)
        return rows, ""


class Processes:
    """The signers of a party as processes of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}

    def start(self, name, pin=PIN):
        reading, writing = os.pipe()
        os.write(writing, pin.encode())
        os.close(writing)
        command = [*OUTCRY, "custody", "sign", f"{name}.toml", f"--pin-fd={reading}"]
        out = (self.folder / f"{name}.log").open("a")
        process = warm_outcry.Process(
            command, cwd=self.folder, pass_fds=(reading,), stdout=out, stderr=out
        )
        os.close(reading)
        self.running[name] = process
        return process

    def wait(self, name):
        socket, process = self.folder / f"{name}.sock", self.running[name]
        log = self.folder / f"{name}.log"

        def is_there():
            assert process.poll() is None, log.read_text()
            return socket.exists()

        wait_until(is_there, f"{name} listens")

    def kill(self, name):
        self.running[name].kill()
        self.running[name].wait(BOUND_S)

    def close(self):
        for one in self.running.values():
            if one.poll() is None:
                one.terminate()
                one.wait(BOUND_S)

    def links(self, attestor):
        made = Links([self.folder / "signer1.sock", self.folder / "signer2.sock"], attestor)
        return made
