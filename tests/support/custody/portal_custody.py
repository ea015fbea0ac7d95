"""A venue with its portal, and custody behind it on a real chain: every part is a process."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from openoutcry.client import portal_models as models
from openoutcry.client.portal import PortalClient
from openoutcry.custody.attestor import LABEL
from openoutcry.custody.ceremony import fill_token, hold
from openoutcry.custody.demo import (
    ATTESTOR,
    CUSTODY,
    EVM,
    EVM_SIGNER,
    NETWORK,
    SIGNER,
)
from openoutcry.custody.evm.contracts import balance_call
from openoutcry.custody.evm.demo_chain import DemoChain
from openoutcry.custody.evm.encoding import (
    address_from_text,
    address_text,
    from_hex,
    selector,
    to_hex,
    words,
)
from openoutcry.custody.hsm import SOFTHSM, Hsm
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.node import RegtestNode
from tests.support.custody.anvil import binary, token_code
from tests.support.custody.party import PIN, softhsm
from tests.support.pipeline import warm_outcry
from tests.support.portal.people import CHEAP, PASSWORD
from tests.support.portal.portal_venue import CHOICES, INSTRUMENT, PortalVenue
from tests.support.processes import OUTCRY, free_port
from tests.support.waiting import BOUND_S, wait_until

COIN = 10**8
FINAL = 6
LTC = """
[[asset]]
name = "LTC"
decimals = 8
""" + INSTRUMENT.format(
    base="LTC", quote="USD", decimals=2, lot_units=100_000, tick_units=10, reference=8_000
)
TOKEN = "DUSD"
"""An ERC-20 of 6 decimals."""
TOKEN_ASSET = f"""
[[asset]]
name = "{TOKEN}"
decimals = 6
"""
NETWORKS = """
[[network]]
name = "LTC"
asset = "LTC"
chain = "LTC"
min_withdrawal = "0.001"
[custody]
socket = "door.sock"
[limits]
weight_a_minute = 1_000_000
key_weight_a_minute = 1_000_000
orders_in_10_s = 1_000_000
"""
EVM_NETWORK = """
[[network]]
name = "ETH"
asset = "ETH"
chain = "ETH"
[[network]]
name = "ETH"
asset = "DUSD"
chain = "ETH"
"""
TOKEN_CUSTODY = """
[[asset]]
name = "DUSD"
chain = "ETH"
decimals = 6
chain_decimals = 6
token = "{token}"
dust = 10_000
confirmations = [[0, 3]]
automatic_up_to = 1_000_000_000
sweep_from = 1
sweep_at_once = 1
"""
TOKEN_LIMIT = """
[[limit]]
asset = "DUSD"
chain = "ETH"
a_payment = 1_000_000_000
an_hour = 1_000_000_000
a_day = 1_000_000_000
fee = 0
fees_a_day = 0
"""
LEVELS = 'withdraws_a_day = { USD = "5000", BTC = "1" }'
MORE_LEVELS = 'withdraws_a_day = { USD = "5000", BTC = "1", LTC = "20", ETH = "5" }'
TOKEN_LEVELS = MORE_LEVELS.replace(" }", ', DUSD = "5000" }')
CODE = re.compile(r"Your code for (?:the withdrawal|withdrawals) [^!]*? is (\d{8})\. It is valid")
PEOPLE = ("Ines", "Otto")


class PortalCustody:
    """In ``folder``; both the portal and custody end with the context.  ``wait_s``: of an address
    of a whitelist.  ``evm``: also an EVM chain.  ``more``, ``settings``: of the venue's and of the
    portal's file."""

    def __init__(
        self,
        folder: Path,
        wait_s: int = 0,
        evm: bool = False,
        users: int = 12,
        more: str = "",
        settings: str = "",
    ) -> None:
        self.folder, self.wait_s = folder.resolve(), wait_s
        self.portal = PortalVenue(self.folder, users, more=more)
        with (self.folder / "venue.toml").open("a") as file:
            file.write(LTC + (TOKEN_ASSET if evm else ""))
        levels = TOKEN_LEVELS if evm else MORE_LEVELS
        text = CHOICES.replace(LEVELS, levels) + NETWORKS + (EVM_NETWORK if evm else "")
        text += settings
        (self.folder / "portal.toml").write_text(text)
        self.node = RegtestNode(self.folder / "node")
        self.evm = DemoChain(self.folder, free_port(), str(binary())) if evm else None
        self.token = ""
        """The contract's address."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "PortalCustody":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.node.start()
        self.node.fund()
        self._write_files()
        for number in (1, 2):
            self.start(f"signer{number}", "sign", f"signer{number}.toml")
        self.start("attest", "attest", "attestor.toml")
        for name in ("signer1", "signer2", "attest"):
            self.wait_for(name)
        self.portal.__enter__()
        self.start("serve", "serve", "custody.toml")
        self.start("door", "door", "custody.toml")
        self.wait_for("door")
        # The venue's own money: the chain's fees are paid from it.
        self.node.pay(self.outcry("address", "custody.toml", "LTC", "--own"), COIN // 10)
        self.node.mine()

    def __exit__(self, *_: object) -> None:
        self.portal.__exit__()
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
                process.wait(BOUND_S)
        if self.evm is not None:
            self.evm.close()
        self.node.close()

    # The parts

    def _write_files(self) -> None:
        softhsm(self.folder, "attestor", "signer1", "signer2", "gas")
        keys, _ = hold(NETWORK)
        for number in (1, 2):
            with Hsm(SOFTHSM, f"signer{number}", PIN) as hsm:
                fill_token(hsm, keys, number)
        with Hsm(SOFTHSM, "attestor", PIN) as hsm:
            attestor = hsm.make_key(LABEL).hex()
        values: dict[str, Any] = {"hot": keys.hot(), "cold": keys.cold(), "attestor": attestor}
        values |= {"url": self.node.url, "module": str(SOFTHSM)}
        custody, signer = CUSTODY, SIGNER
        if self.evm is not None:
            values |= self._deploy(self.evm, keys)
            custody = CUSTODY + EVM + TOKEN_CUSTODY
            vault = 'vault = "{vault}"'
            wallet = EVM_SIGNER.replace(vault, vault + '\ntokens = {{ DUSD = "{token}" }}')
            signer = SIGNER + wallet + TOKEN_LIMIT
        top = f'whitelist_wait_s = {self.wait_s}\nsanctions = "listed.txt"'
        text = custody.format(**values).replace("whitelist_wait_s = 0", top)
        for name in PEOPLE:
            words = f'name = "{name}"\npassword = "{CHEAP.hash(f"word {name}")}"'
            text += f'[[person]]\n{words}\nrole = "supervisor"\n'
        self.write("listed.txt", "# none yet\n")
        self.write("custody.toml", text)
        self.write("attestor.toml", ATTESTOR.format(**values))
        signer = signer.replace("a_payment = 1_000_000_000", "a_payment = 2_000_000_000")
        signer = signer.replace("an_hour = 2_000_000_000", "an_hour = 4_000_000_000")
        for number in (1, 2):
            self.write(f"signer{number}.toml", signer.format(number=number, **values))

    def _deploy(self, chain: DemoChain, keys: Any) -> dict[str, Any]:
        owners = [keys.evm(number).get_public_key().sec() for number in (1, 2, 3)]
        self.write("gas.pin", PIN)
        with Hsm(SOFTHSM, "gas", PIN) as hsm:
            made = chain.deploy(hsm, owners)
        txid = self.transact(None, token_code("Demonstration dollar", TOKEN, 6))
        receipt: dict[str, Any] = wait_until(
            lambda: chain.node.call("eth_getTransactionReceipt", txid), "the token's receipt"
        )
        self.token = address_text(from_hex(receipt["contractAddress"]))
        first = int(chain.node.call("eth_blockNumber"), 16)
        vault, factory = address_text(made.wallet), address_text(made.factory)
        values = {"evm_url": chain.url, "vault": vault, "factory": factory, "first": first}
        return values | {"token": self.token}

    def transact(self, to: str | None, data: bytes) -> str:
        """On the EVM chain, by its bank: in a block at once."""
        assert self.evm is not None
        asked = {"from": self.evm.bank, "data": to_hex(data), "gas": hex(5_000_000)}
        return str(self.evm.node.call("eth_sendTransaction", asked | ({"to": to} if to else {})))

    def pay_token(self, address: str, units: int) -> str:
        """The id of the transaction.  Minting is a transfer from nowhere."""
        call = selector("mint(address,uint256)") + words(address_from_text(address), units)
        return self.transact(self.token, call)

    def tokens_of(self, address: str) -> int:
        assert self.evm is not None
        call = {"to": self.token, "data": to_hex(balance_call(address_from_text(address)))}
        return int(self.evm.node.call("eth_call", call, "latest"), 16)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)

    def start(self, name: str, command: str, file: str) -> None:
        words = [*OUTCRY, "custody", command, file]
        reading, writing = os.pipe()
        os.write(writing, PIN.encode())
        os.close(writing)
        if command in ("sign", "attest"):
            words.append(f"--pin-fd={reading}")
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = warm_outcry.Process(
                words, cwd=self.folder, stdout=log, stderr=log, pass_fds=(reading,)
            )
        os.close(reading)

    def wait_for(self, name: str) -> None:
        """Until it listens."""
        socket, process = self.folder / f"{name}.sock", self.processes[name]

        def is_there() -> bool:
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            return socket.exists()

        wait_until(is_there, f"{name} listens")

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait(BOUND_S)
        (self.folder / f"{name}.sock").unlink(missing_ok=True)

    # What happens

    def outcry(self, *words: str, stdin: str = "") -> str:
        command = [*OUTCRY, "custody", *words]
        done = warm_outcry.run_command(command, stdin, BOUND_S, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def approve(self, reference: str, person: str) -> str:
        words = "approve", "custody.toml", reference, f"--person={person}"
        return self.outcry(*words, stdin=f"word {person}\n")

    def state(self, reference: str) -> str:
        """Custody's, of a withdrawal."""
        with Store(self.folder / "custody") as store:
            row = store.row("select state from withdrawals where reference = ?", reference)
        return "" if row is None else str(row["state"])

    def outside(self) -> str:
        return str(self.node.rpc.call("getnewaddress", "", "bech32"))

    def received(self, address: str) -> int:
        return int(self.node.rpc.call("getreceivedbyaddress", address, 0) * COIN)


class Somebody:
    """A user at the portal, with a client of each API."""

    def __init__(self, custody: PortalCustody, **funds: int) -> None:
        self.custody, self.portal = custody, custody.portal
        self.person = self.portal.person(("read", "trade", "withdraw"), **funds)
        self.native = PortalClient(self.portal.url)
        self.native.log_in(self.person.mail, PASSWORD)
        self.codes = 0
        """Codes for withdrawals and their addresses that were read."""

    def next_code(self) -> str:
        """The first that was not read yet; other mails have amounts that look like codes."""
        path = self.custody.folder / "journal-portal" / "mails.jsonl"

        def found() -> list[str]:
            rows = [json.loads(row) for row in path.read_text().splitlines()]
            texts = " ".join(row["text"] for row in rows if row["to"] == self.person.mail)
            return CODE.findall(texts)[self.codes :]

        (code, *_) = wait_until(found, "a mailed code")
        self.codes += 1
        return code

    def held(self, asset: str = "LTC") -> tuple[float, float]:
        row = next(one for one in self.native.balances() if one.asset == asset)
        return float(row.available), float(row.reserved)

    def address(self) -> str:
        (row,) = self.native.deposit_addresses(asset="LTC")
        return row.address

    def pay_in(self, coins: float) -> None:
        """Credited, and final: what is paid out spends only what is final."""
        before = self.held()[0]
        self.custody.node.pay(self.address(), int(coins * COIN))
        self.custody.node.mine(FINAL)
        wait_until(lambda: self.held()[0] == before + coins, "the deposit is credited")

    def list_address(self, address: str, asset: str = "LTC") -> None:
        """Confirmed, and its wait is over."""
        row = self.native.add_withdrawal_address(asset, address)
        self.native.confirm_withdrawal_address(row.id, self.next_code())
        ready = self.portal.client(self.person)
        path = "/sapi/v1/capital/withdraw/address/list"

        def is_usable() -> bool:
            return any(
                one["address"] == address and one["whiteStatus"] for one in ready.get(path).json()
            )

        wait_until(is_usable, "the address is usable")
        ready.http.close()

    def withdraw(self, amount: str, address: str, asset: str = "LTC") -> models.WithdrawalRow:
        row = self.native.withdraw(asset, amount, address)
        self.native.confirm_withdrawal(row.id, self.next_code())
        return row

    def reaches(self, row: models.WithdrawalRow, state: str) -> models.WithdrawalRow:
        wait_until(lambda: self.native.withdrawal(row.id).state == state, f"it is {state}")
        return self.native.withdrawal(row.id)

    def titles(self) -> list[str]:
        return [one.title for one in self.native.notifications().items]
