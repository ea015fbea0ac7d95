"""An EVM chain on loopback (anvil) with a deployed wallet, for the demo."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from openoutcry.custody.errors import NodeError
from openoutcry.custody.evm.deploy import Deployer, Deployment
from openoutcry.custody.evm.encoding import address_of_public_key, to_hex
from openoutcry.custody.evm.node import Node
from openoutcry.custody.evm.parts import GAS_LABEL, GWEI
from openoutcry.custody.evm.transactions import FeePolicy, HsmSigner
from openoutcry.custody.hsm import Hsm, uncompressed
from openoutcry.wire.closing import Closing
from openoutcry.wire.extras import PROGRAMS

CHAIN_ID = 31337
VARIABLE = "OUTCRY_ANVIL"
ETHER = 10**18
READY_S, STOP_S, LOOK_S = 60.0, 30.0, 0.02


def binary() -> str | None:
    """Return the path of anvil, from OUTCRY_ANVIL or the PATH; None: the demo has no EVM chain."""
    return os.environ.get(VARIABLE) or shutil.which("anvil")


class DemoChain(Closing):
    """Blocks come when :meth:`mine` is called, and with each transaction."""

    def __init__(self, folder: Path, port: int, anvil: str | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.node = Node(self.url)
        found = anvil or binary()
        if found is None:
            raise NodeError(f"anvil is not here: {PROGRAMS['anvil']}")
        command = [found, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--chain-id", str(CHAIN_ID), "--accounts", "2", "--silent"]
        # Blocks that are mined at once have a second each: they must not be in the future.
        command += ["--timestamp", str(int(time.time()) - 3_600)]
        with (folder / "anvil.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + READY_S
        while True:
            try:
                self.bank = str(self.node.call("eth_accounts")[0])
                return
            except NodeError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(LOOK_S)

    def close(self) -> None:
        """End the node."""
        self.node.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def deploy(self, gas: Hsm, owners: list[bytes]) -> Deployment:
        """The wallet of these owners (public keys of 33 bytes), paid by the module's key."""
        gas.make_key(GAS_LABEL)
        key = HsmSigner(gas, GAS_LABEL)
        self.node.call("anvil_setBalance", to_hex(key.address), hex(100 * ETHER))
        addresses = sorted(address_of_public_key(uncompressed(owner)) for owner in owners)
        return Deployer(self.node, key, FeePolicy(500 * GWEI)).deploy(addresses)

    def pay(self, address: str, amount: int) -> str:
        """Pay from the bank's account, in wei; returns the transaction's hash."""
        asked = {"from": self.bank, "to": address, "value": hex(amount)}
        return str(self.node.call("eth_sendTransaction", asked))

    def mine(self, count: int = 1) -> None:
        """Add empty blocks at once."""
        self.node.call("anvil_mine", hex(count))

    def balance(self, address: str) -> int:
        """The coins of an address, in wei."""
        return int(self.node.call("eth_getBalance", address, "latest"), 16)
