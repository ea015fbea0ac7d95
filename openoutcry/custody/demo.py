"""A venue with custody on one machine, from the ceremony to an outsider's check.

Everything is real but the chain, which is a regtest: a node, a venue, two signers with modules, the
attestor and the payer are a process each.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from openoutcry.custody.attestor import LABEL
from openoutcry.custody.ceremony import Keys, fill_token, hold, write_ceremony
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.evm.demo_chain import ETHER, VARIABLE, DemoChain, binary
from openoutcry.custody.evm.encoding import address_text
from openoutcry.custody.hsm import SOFTHSM, Hsm
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.node import RegtestNode
from openoutcry.custody.utxo.node import binary as litecoind
from openoutcry.custody.venue import VenueDesk, VenueError
from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.venue.demo_parts import WAIT_S, Parts, is_trading
from openoutcry.venue.desk import DeskError, ask
from openoutcry.wire.extras import need_program
from openoutcry.wire.free_port import free_port

COIN, FINAL = 10**8, 6
LOTS = 1_000
"""In a coin."""
NETWORK, CHAIN, ASSET, ETH = "ltc-regtest", "LTC", "LTC", "ETH"
SELLER, BUYER = 1, 2
VENUE = """
[venue]
name = "DEMO"
journal = "journal"
order_capacity = 4_096
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
time_every_s = 60
[[schedule]]
name = "never closed"
day = ["00:00 CONTINUOUS"]
[[asset]]
name = "USD"
decimals = 6
[[asset]]
name = "LTC"
decimals = 8
[[instrument]]
symbol = "LTC-USD"
settlement = "spot"
base = "LTC"
quote = "USD"
decimals = 2
lot_units = 100_000
tick_units = 10
min_price_ticks = 1
max_price_ticks = 40_000_000
max_qty_lots = 1_000_000
[[asset]]
name = "ETH"
decimals = 8
[[instrument]]
symbol = "ETH-USD"
settlement = "spot"
base = "ETH"
quote = "USD"
decimals = 2
lot_units = 100_000
tick_units = 10
min_price_ticks = 1
max_price_ticks = 40_000_000
max_qty_lots = 1_000_000
[[participant]]
number = 1
name = "Seller"
[[participant]]
number = 2
name = "Buyer"
[[session]]
name = "SELLER"
protocol = "ouch-4.2"
participant = 1
password = "{seller}"
[[session]]
name = "BUYER"
protocol = "ouch-4.2"
participant = 2
password = "{buyer}"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{port}"
"""
CUSTODY = """
[custody]
journal = "journal"
folder = "custody"
whitelist_wait_s = 0
[[chain]]
name = "LTC"
kind = "utxo"
network = "ltc-regtest"
url = "{url}"
hot = "{hot}"
cold = "{cold}"
final = 6
gap = 20
[[asset]]
name = "LTC"
chain = "LTC"
decimals = 8
chain_decimals = 8
dust = 10_000
confirmations = [[100_000_000, 1], [0, 3]]
automatic_up_to = 1_000_000_000
[[signer]]
socket = "signer1.sock"
[[signer]]
socket = "signer2.sock"
[attestor]
socket = "attest.sock"
key = "{attestor}"
"""
EVM = """
[[chain]]
name = "ETH"
kind = "evm"
url = "{evm_url}"
chain_id = 31337
vault = "{vault}"
factory = "{factory}"
first_height = {first}
final = 6
gap = 20
sweep_every_s = 1
gas_module = "{module}"
gas_token = "gas"
gas_pin = "gas.pin"
[[asset]]
name = "ETH"
chain = "ETH"
decimals = 8
chain_decimals = 18
dust = 10_000
confirmations = [[0, 3]]
automatic_up_to = 1_000_000_000
sweep_from = 10_000
sweep_at_once = 10_000
"""
EVM_SIGNER = """
[[wallet]]
chain = "ETH"
kind = "evm"
asset = "ETH"
label = "evm"
chain_id = 31337
vault = "{vault}"
[[limit]]
asset = "ETH"
chain = "ETH"
scale = 10_000_000_000
a_payment = 1_000_000_000
an_hour = 2_000_000_000
a_day = 4_000_000_000
fee = 0
fees_a_day = 0
"""
SIGNER = """
[signer]
socket = "signer{number}.sock"
store = "signer{number}.sqlite"
module = "{module}"
token = "signer{number}"
venue = "DEMO"
attestor = "{attestor}"
destination_wait_s = 0
[[wallet]]
chain = "LTC"
kind = "utxo"
asset = "LTC"
network = "ltc-regtest"
hot = "{hot}"
cold = "{cold}"
[[limit]]
asset = "LTC"
chain = "LTC"
a_payment = 1_000_000_000
an_hour = 2_000_000_000
a_day = 4_000_000_000
fee = 1_000_000
fees_a_day = 10_000_000
"""
ATTESTOR = """
[attestor]
socket = "attest.sock"
journal = "journal"
venue = "DEMO"
module = "{module}"
token = "attestor"
"""


COMPILES = (
    "the venue starts; its first start on a machine compiles the kernels of gateway, matcher, risk "
    "checks and sessions, for minutes"
)


def missing_programs() -> list[str]:
    """A line for each program that is not here, with the command that installs its package."""
    has_tool = shutil.which("softhsm2-util") is not None and SOFTHSM.exists()
    return [
        f"{name} is not here: apt-get install {package}"
        for name, package, is_here in (
            ("Litecoin Core", "litecoind", litecoind() is not None),
            ("SoftHSM", "softhsm2", has_tool),
        )
        if not is_here
    ]


class Demo:
    """A demonstration in ``folder``; ``say`` gets a line for each step."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self._say = folder.resolve(), say
        self.began = time.monotonic()
        self.pin = secrets.token_hex(8)
        self.node = RegtestNode(self.folder / "node")
        self.port = free_port()
        self.passwords = {"SELLER": make_password(), "BUYER": make_password()}
        self.parts = Parts(self.folder, CustodyError)
        self.evm: DemoChain | None = None

    def say(self, text: str) -> None:
        """Report a line, with the seconds since the beginning."""
        self._say(f"{time.monotonic() - self.began:5.1f} s  {text}")

    def run(self) -> None:
        """The whole demo: a chain, a venue, custody, a deposit, a trade, withdrawals and a proof of
        reserves.

        It ends every process that it started, also after an error."""
        self.say(COMPILES)
        with ExitStack() as stack:
            stack.callback(self.parts.stop)
            stack.callback(self.node.close)
            self._start_venue()
            keys = self._hold_ceremony()
            self.node.start()
            self.node.fund()
            self.say(f"a chain on loopback, {self.node.rpc.call('getblockcount')} blocks")
            if binary() is not None:
                self.evm = stack.enter_context(DemoChain(self.folder, free_port()))
            else:
                self.say(f"no EVM chain: set {VARIABLE} to the path of anvil")
            self._start_custody(keys)
            self._deposit()
            self._trade(ASSET, 2, 80)
            self._withdraw()
            if self.evm is not None:
                self._evm(self.evm)
            self._prove()

    def _spawn(self, name: str, *words: str) -> None:
        """``PIN`` among the words is the descriptor of the PIN."""
        reading, writing = os.pipe()
        os.write(writing, self.pin.encode())
        os.close(writing)
        self.parts.spawn(
            name, *(word.replace("PIN", str(reading)) for word in words), fds=[reading]
        )
        os.close(reading)

    # The parts

    def _start_venue(self) -> None:
        hasher = password_hasher()
        hashes = {name.lower(): hasher.hash(word) for name, word in self.passwords.items()}
        self.parts.write("venue.toml", VENUE.format(port=self.port, **hashes))
        self._spawn("venue", "serve", "venue.toml")

    def _hold_ceremony(self) -> Keys:
        tokens = self.folder / "tokens"
        tokens.mkdir()
        conf = self.folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        os.environ["SOFTHSM2_CONF"] = str(conf)
        for name in ("signer1", "signer2", "attestor", "gas"):
            command = [
                need_program("softhsm2-util", "the demo"),
                "--init-token",
                "--free",
                "--label",
                name,
            ]
            terms = ["--pin", self.pin, "--so-pin", secrets.token_hex(8)]
            subprocess.run([*command, *terms], check=True, capture_output=True)
        keys, shares = hold(NETWORK)
        for number in (1, 2):
            with Hsm(SOFTHSM, f"signer{number}", self.pin) as hsm:
                fill_token(hsm, keys, number)
        write_ceremony(self.folder / "ceremony", keys, shares)
        self.say(f"ceremony: fingerprint {keys.fingerprint}, three shares, two tokens")
        return keys

    def _start_custody(self, keys: Keys) -> None:
        with Hsm(SOFTHSM, "attestor", self.pin) as hsm:
            attestor = hsm.make_key(LABEL).hex()
        values = {"hot": keys.hot(), "cold": keys.cold(), "attestor": attestor}
        values |= {"url": self.node.url, "module": str(SOFTHSM)}
        custody, signer = CUSTODY, SIGNER
        if self.evm is not None:
            values |= self._deploy(self.evm, keys)
            custody, signer = CUSTODY + EVM, SIGNER + EVM_SIGNER
        self.parts.write("custody.toml", custody.format(**values))
        self.parts.write("attestor.toml", ATTESTOR.format(**values))
        for number in (1, 2):
            self.parts.write(f"signer{number}.toml", signer.format(number=number, **values))
            words = ["custody", "sign", f"signer{number}.toml", "--pin-fd=PIN"]
            self._spawn(f"signer{number}", *words)
        self._spawn("attestor", "custody", "attest", "attestor.toml", "--pin-fd=PIN")
        for name in ("signer1", "signer2", "attest"):
            self.parts.wait(f"{name} listens", (self.folder / f"{name}.sock").exists)
        self.parts.wait("the venue is open", lambda: is_trading(self.folder))
        self._spawn("custody", "custody", "serve", "custody.toml")
        self.say("a venue, two signers, the attestor and the payer run, each a process")

    def _deploy(self, chain: DemoChain, keys: Keys) -> dict[str, Any]:
        """The vault of the ceremony's owners; what the files say about it."""
        owners = [keys.evm(number).get_public_key().sec() for number in (1, 2, 3)]
        self.parts.write("gas.pin", self.pin)
        with Hsm(SOFTHSM, "gas", self.pin) as hsm:
            made = chain.deploy(hsm, owners)
        first = int(chain.node.call("eth_blockNumber"), 16)
        vault, factory = address_text(made.wallet), address_text(made.factory)
        self.say(f"an EVM chain on loopback, a vault of 2 of 3 owners at {vault}")
        return {"evm_url": chain.url, "vault": vault, "factory": factory, "first": first}

    # What happens

    def _deposit(self) -> None:
        own = self.parts.outcry("custody", "address", "custody.toml", CHAIN, "--own")
        self.node.pay(own, COIN // 10)
        self.say("0.1 LTC of the venue's own money come in, for the chain's fees")
        address = self.parts.outcry("custody", "address", "custody.toml", CHAIN, str(SELLER))
        txid = self.node.pay(address, 5 * COIN)
        self.say(f"the seller pays in 5 LTC to {address}, transaction {txid[:16]}…")
        self.node.mine(FINAL + 1)
        self.parts.wait("the deposit", lambda: self._states("deposits", CHAIN) == {"final", "own"})
        self.say("the deposit is credited at the venue, and final")
        ask(
            self.folder / "journal",
            {"do": "deposit", "participant": BUYER, "amount": 500 * 10**6, "asset": "USD"},
        )

    def _states(self, table: str, chain: str) -> set[str]:
        file = read_custody_file(self.folder / "custody.toml")
        with Store(file.folder) as store:
            query = f"select state from {table} where chain = ?"
            return {row["state"] for row in store.rows(query, chain)}

    def _trade(self, asset: str, units: int, price: int) -> None:
        from openoutcry.client import OuchClient

        clients = {
            name: OuchClient("127.0.0.1", self.port, name, word, prefix=asset)
            for name, word in self.passwords.items()
        }
        with clients["SELLER"] as seller, clients["BUYER"] as buyer:
            order = f"{asset}-USD", units * LOTS, f"{price}.00"
            seller.sell(*order)
            buyer.buy(*order)
            for message in buyer.messages(WAIT_S):
                if message.name == "executed":
                    break
                if message.name == "rejected":
                    raise CustodyError(f"the buyer's order: {message}")
        self.say(f"traded: {units} {asset} for {units * price} USD")

    def _withdraw(self) -> None:
        outside = str(self.node.rpc.call("getnewaddress", "", "bech32"))
        self.parts.outcry("custody", "whitelist", "custody.toml", CHAIN, str(BUYER), outside)
        words = ["custody", "withdraw", "custody.toml", str(BUYER), ASSET, "1.5", outside]
        reference = self.parts.outcry(*words)
        self.say(f"the buyer withdraws 1.5 LTC to {outside}: {reference}")
        paid = lambda: self.node.rpc.call("getreceivedbyaddress", outside, 0)  # noqa: E731
        self.parts.wait("the withdrawal is broadcast", paid)
        self.node.mine(FINAL)
        self.parts.wait(
            "the withdrawal is done", lambda: self._states("withdrawals", CHAIN) == {"done"}
        )
        row = VenueDesk(self.folder / "journal").movement("withdrawal", BUYER, reference)
        state = None if row is None else row["state"]
        self.say(f"the chain paid {paid()} LTC once; the venue's withdrawal is {state}")

    def _evm(self, chain: DemoChain) -> None:
        """The same on the other chain: two ETH in, one traded, and out."""
        address = self.parts.outcry("custody", "address", "custody.toml", ETH, str(SELLER))
        chain.pay(address, 2 * ETHER)
        chain.mine(FINAL + 1)
        self.parts.wait("the deposit of ETH", lambda: self._states("deposits", ETH) == {"final"})
        self.say(f"the seller pays in 2 ETH to {address}: credited, and final")
        self._trade(ETH, 1, 300)
        outside = address_text(b"\xbe" * 20)
        self.parts.outcry("custody", "whitelist", "custody.toml", ETH, str(BUYER), outside)
        words = ["custody", "withdraw", "custody.toml", str(BUYER), ETH, "1", outside]
        reference = self.parts.outcry(*words)

        def is_paid() -> bool:
            chain.mine()
            return chain.balance(outside) > 0

        self.parts.wait("the withdrawal of ETH", is_paid)
        chain.mine(FINAL + 1)
        self.parts.wait("its end", lambda: self._states("withdrawals", ETH) == {"done"})
        paid = chain.balance(outside) // (ETHER // 100)
        row = VenueDesk(self.folder / "journal").movement("withdrawal", BUYER, reference)
        state = None if row is None else row["state"]
        self.say(f"the chain paid {paid / 100} ETH once; the venue's withdrawal is {state}")

    def _prove(self) -> None:
        self.say(self.parts.outcry("custody", "reconcile", "custody.toml").splitlines()[-1])
        challenge, owed = secrets.token_hex(16), "--liabilities=proofs/statement.json"
        key = self.parts.outcry("proof", "key", "venue.key")
        self.parts.outcry("proof", "make", "journal", "--key=venue.key", "--out=proofs")
        words = ["custody", "verify", f"--challenge={challenge}", owed, f"--public-key={key}"]
        chains = {CHAIN: self.node.url} | ({} if self.evm is None else {ETH: self.evm.url})
        for chain, url in chains.items():
            out = f"reserves-{chain}.json"
            more = ["custody", "reserves", "custody.toml", chain, f"--challenge={challenge}"]
            held = self.parts.outcry(*more, owed, f"--out={out}")
            self.say(f"reserves, in the smallest unit: {held}")
            words += [out, f"--node={chain}={url}"]
        words.append("--not-on-chain=USD")
        self.say("an outsider compares these files with a node and a challenge:")
        self.say(f"outcry {' '.join(words)}")
        for line in self.parts.outcry(*words).splitlines():
            self.say(f"outsider: {line}")


def run(folder: Path, say: Callable[[str], None]) -> None:
    """Raises :class:`CustodyError` where something did not happen."""
    if missing := missing_programs():
        raise CustodyError("\n".join(missing))
    try:
        Demo(folder, say).run()
    except (DeskError, VenueError) as error:
        raise CustodyError(str(error)) from None
