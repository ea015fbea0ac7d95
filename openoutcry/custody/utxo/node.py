"""A regtest node of Litecoin Core in a folder, for the demo, drills and tests."""

import secrets
import shutil
import subprocess
import time
from pathlib import Path

from openoutcry.custody.errors import NodeError
from openoutcry.custody.utxo.address import COIN_DECIMALS
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.wire.closing import Closing
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.free_port import free_port

BINARIES = ("/usr/lib/litecoin/litecoind", "litecoind")
"""Debian's ``/usr/bin/litecoind`` is a script that writes into the home folder."""
READY_S, STOP_S, LOOK_S = 120.0, 120.0, 0.01
MINER = "miner"


def binary() -> str | None:
    """None: Litecoin Core is not installed."""
    return next((found for one in BINARIES if (found := shutil.which(one))), None)


class RegtestNode(Closing):
    """``start`` again continues the same chain and the same ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rpc_port, self.port = free_port(), free_port()
        self.password = secrets.token_hex(8)
        self.url = f"http://custody:{self.password}@127.0.0.1:{self.rpc_port}"
        self.rpc = Rpc(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, peer: int = 0) -> None:
        """``peer``: the port of another such node to connect to."""
        found = binary()
        if found is None:
            raise NodeError("Litecoin Core is not here: apt-get install litecoind")
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "node.conf"
        settings.touch(mode=0o600)
        settings.write_text(f"rpcuser=custody\nrpcpassword={self.password}\n", encoding="utf-8")
        command = [
            found, "-regtest", f"-conf={settings.absolute()}", f"-datadir={self.folder}",
            "-dnsseed=0", "-server=1",
            f"-connect={f'127.0.0.1:{peer}' if peer else '0'}", "-listen=1",
            f"-bind=127.0.0.1:{self.port}", "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1",
            f"-rpcport={self.rpc_port}",
            # Litecoin Core refuses replacements by default.
            "-mempoolreplacement=1",
            "-fallbackfee=0.0001", "-txindex=1", "-keypool=5", "-printtoconsole=0",
            # The extension blocks of regtest end a chain at height 431 that has no peg-in.
            "-vbparams=mweb:-2:-2",
        ]  # fmt: skip
        log = (self.folder / "node.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + READY_S
        while True:
            try:
                self.rpc.call("getblockcount")
                if (self.folder / "regtest" / "wallets" / MINER).exists():
                    self.rpc.call("loadwallet", MINER)
                return
            except NodeError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise NodeError(f"the node did not start: {error}") from None
                time.sleep(LOOK_S)

    @property
    def pid(self) -> int:
        """The process id; 0: it does not run."""
        return 0 if self._process is None else self._process.pid

    def kill(self) -> None:
        """End the node at once, as a crash would; :meth:`start` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None
        self.rpc.close()

    def close(self) -> None:
        """End the node in order, or by force after two minutes."""
        self.rpc.close()  # a node waits half a minute for those that are connected
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    # A miner with money

    def fund(self, blocks: int = 101) -> None:
        """A wallet with coins that may be spent."""
        self.rpc.call("createwallet", MINER)
        self.mine(blocks)

    def _new_address(self) -> str:
        return str(self.rpc.call("getnewaddress", "", "bech32"))

    def mine(self, count: int = 1, address: str = "") -> list[str]:
        """Add blocks, paid to an address or to the miner; their hashes."""
        to = address or self._new_address()
        return list(self.rpc.call("generatetoaddress", count, to))

    def mine_empty(self) -> str:
        """A block that leaves what waits where it is, and is like no other."""
        return str(self.rpc.call("generateblock", self._new_address(), [])["hash"])

    def pay(self, address: str, amount: int) -> str:
        """Pay from the miner's wallet; returns the transaction's id."""
        coins = decimal_text(amount, COIN_DECIMALS)
        return str(self.rpc.call("sendtoaddress", address, coins))
