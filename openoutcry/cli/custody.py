"""``outcry custody``: deposits and withdrawals on real chains, and their keys."""

import json
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import (
    Amount,
    AmountCommand,
    PathArgument,
    Secret,
    Whole,
    as_json_option,
    read_secret,
    units_typed,
)
from openoutcry.wire.decimals import amount_words


@click.group()
def custody() -> None:
    """Keep a venue's assets on chains: deposits, withdrawals, keys.

    \b
    outcry custody demo
    outcry custody sign signer1.toml --pin-fd 3 3< pin
    outcry custody attest attestor.toml --pin-fd 3 3< pin
    outcry custody serve custody.toml
    outcry custody door custody.toml
    """


LAST = 1_000
PIN_OPTION = click.option(
    "--pin-fd",
    type=Whole(0),
    required=True,
    help="Read the token's PIN from this file descriptor.",
)
PERSON_OPTION = click.option(
    "--person",
    required=True,
    help="A person of the file; the command prompts for the password, or reads it from a pipe.",
)


@custody.command()
@click.argument("file", type=PathArgument)
@PIN_OPTION
def sign(file: Path, pin_fd: int) -> None:
    """Run a signer: one key, and its own policy."""
    from openoutcry.custody.hsm import Hsm, read_pin
    from openoutcry.custody.signer import Signer, read_signer_file, readers_of
    from openoutcry.custody.signer_policy import Policy
    from openoutcry.custody.sockets import Server
    from openoutcry.host.processes import hide_memory, until_stopped

    hide_memory()
    made = read_signer_file(file)
    terms = made.store, made.venue, made.attestor_key, made.limits, made.destination_wait_s
    with (
        Hsm(made.module, made.token, read_pin(pin_fd)) as hsm,
        Policy(*terms) as policy,
        Server(made.socket, Signer(hsm, policy, readers_of(made)).answer) as server,
        until_stopped() as stopped,
    ):
        click.echo(f"signing at {made.socket}", err=True)
        server.serve(lambda: bool(stopped))


@custody.command()
@click.argument("file", type=PathArgument)
@PIN_OPTION
def attest(file: Path, pin_fd: int) -> None:
    """Sign what the venue says about its withdrawals."""
    from openoutcry.custody.attestor import Attestor, read_attestor_file
    from openoutcry.custody.hsm import Hsm, read_pin
    from openoutcry.custody.sockets import Server
    from openoutcry.custody.venue import VenueDesk
    from openoutcry.host.processes import hide_memory, until_stopped

    hide_memory()
    made = read_attestor_file(file)
    with (
        Hsm(made.module, made.token, read_pin(pin_fd)) as hsm,
        Server(made.socket, Attestor(made.venue, VenueDesk(made.journal), hsm).answer) as server,
        until_stopped() as stopped,
    ):
        click.echo(f"attesting at {made.socket}", err=True)
        server.serve(lambda: bool(stopped))


@custody.command()
@click.argument("file", type=PathArgument)
@click.option("--once", is_flag=True, help="Stop when nothing is left to do now.")
def serve(file: Path, once: bool) -> None:
    """Scan the chains, credit deposits and pay withdrawals."""
    from openoutcry.custody.serve import serve as serve_custody
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.host.processes import until_stopped

    with until_stopped() as stopped:
        serve_custody(read_custody_file(file), once, lambda: bool(stopped), click.echo)


@custody.command()
@click.argument("file", type=PathArgument)
def door(file: Path) -> None:
    """Answer the portal: addresses, withdrawals, deposits."""
    from openoutcry.custody.door import HIDDEN, Door
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.sockets import Server
    from openoutcry.host.processes import until_stopped

    made = read_custody_file(file)
    with (
        Parts(made, sends=False) as parts,
        Server(made.door, Door(parts).answer, HIDDEN) as server,
        until_stopped() as stopped,
    ):
        click.echo(f"at the door {made.door}", err=True)
        server.serve(lambda: bool(stopped))


@custody.command()
@click.argument("file", type=PathArgument)
@as_json_option
def status(file: Path, as_json: bool) -> None:
    """Show chains, what waits and why, and the breaker."""
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.status import shown, status_of

    document = status_of(read_custody_file(file))
    click.echo(json.dumps(document) if as_json else "\n".join(shown(document)))


@custody.command()
@click.argument("file", type=PathArgument)
@click.argument("chain")
@click.argument("participant", type=Whole(0), required=False)
@click.option("--own", is_flag=True, help="For the venue's own money, as a refill.")
def address(file: Path, chain: str, participant: int | None, own: bool) -> None:
    """Give a participant a new address to deposit to."""
    from openoutcry.custody.chains import book_of
    from openoutcry.custody.scanner import give_address
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store

    if own == (participant is not None):
        raise click.UsageError("name a participant, or give --own")
    made = read_custody_file(file)
    spec = made.chain(chain)
    with Store(made.folder) as store:
        click.echo(give_address(store, book_of(spec), spec, participant))


@custody.command()
@click.argument("file", type=PathArgument)
@click.argument("chain")
@click.argument("participant", type=Whole(0))
@click.argument("address")
@click.option("--label", default="", help="A name for it.")
def whitelist(file: Path, chain: str, participant: int, address: str, label: str) -> None:
    """Allow a participant to withdraw to an address, after a wait."""
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.venue.calendar import utc_text

    with Parts(read_custody_file(file), sends=False) as parts:
        usable = parts.withdrawals.add_address(chain, participant, address, label)
        parts.announce()
    click.echo(f"usable from {utc_text(usable)}")


@custody.command(cls=AmountCommand)
@click.argument("file", type=PathArgument)
@click.argument("participant", type=Whole(0))
@click.argument("asset")
@click.argument("amount", type=Amount)
@click.argument("address")
@click.option("--salt", default="", help="Your name of it; a repeated name is the same withdrawal.")
def withdraw(
    file: Path, participant: int, asset: str, amount: str, address: str, salt: str
) -> None:
    """Ask for a withdrawal of AMOUNT to an address of the whitelist."""
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.withdrawals import Asked

    with Parts(read_custody_file(file), sends=False) as parts:
        units = units_typed(amount, asset, parts.file.known_asset(asset).decimals)
        asked = Asked(participant, asset, address, units, salt)
        click.echo(parts.withdrawals.ask(asked))


@custody.command()
@click.argument("file", type=PathArgument)
@click.argument("reference")
@PERSON_OPTION
def approve(file: Path, reference: str, person: str) -> None:
    """Approve a withdrawal that waits for two people."""
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file

    made = read_custody_file(file)
    with Parts(made, sends=False) as parts:
        for line in (lines := parts.withdrawals.shown(reference)):
            click.echo(line, err=True)
        word = read_secret(f"password of {person}")
        is_whole = parts.withdrawals.approve(reference, person, word, lines)
    click.echo("approved" if is_whole else "another person must approve it, too")


@custody.command()
@click.argument("file", type=PathArgument)
@click.argument("reference")
def dispute(file: Path, reference: str) -> None:
    """Mark a withdrawal that its owner did not want; later scores rise."""
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file

    with Parts(read_custody_file(file), sends=False) as parts:
        parts.withdrawals.dispute(reference)
    click.echo(f"{reference} is disputed")


@custody.command()
@click.argument("file", type=PathArgument)
@click.option("--why", required=True, help="The reason.")
def stop(file: Path, why: str) -> None:
    """Stop all withdrawals at once."""
    from openoutcry.custody.breaker import Breaker
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store

    with Store(read_custody_file(file).folder) as store:
        Breaker(store).trip(why)


@custody.command()
@click.argument("file", type=PathArgument)
@PERSON_OPTION
def lift(file: Path, person: str) -> None:
    """Let withdrawals continue; it takes two supervisors."""
    from openoutcry.custody.breaker import Breaker
    from openoutcry.custody.persons import Persons
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store

    made = read_custody_file(file)
    with Store(made.folder) as store:
        for why in (read := (breaker := Breaker(store)).reasons()):
            click.echo(why, err=True)
        word = read_secret(f"password of {person}")
        is_lifted = breaker.lift(Persons(made.persons), person, word, read)
    click.echo("withdrawals continue" if is_lifted else "another supervisor must lift it, too")


@custody.command()
@click.argument("folder", type=PathArgument)
@click.option("--network", required=True, help="The chain's network, as ltc or ltc-regtest.")
@click.option(
    "--module",
    type=PathArgument,
    default=Path("/usr/lib/softhsm/libsofthsm2.so"),
    show_default=True,
    help="The PKCS#11 library of the tokens.",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    help="Put a signer's keys into this token; twice, for signers 1 and 2.",
)
@click.option("--pin-fd", type=Whole(0), help="Read the tokens' PIN from this descriptor.")
def ceremony(
    folder: Path, network: str, module: Path, tokens: tuple[str, ...], pin_fd: int | None
) -> None:
    """Make the keys, offline: three shares, two tokens.

    FOLDER gets a public file and a file for each share. Run it on a machine without a network, give
    each share to another person, and write the printed fingerprint down with each."""
    from openoutcry.custody.ceremony import fill_token, hold, write_ceremony
    from openoutcry.custody.hsm import Hsm, read_pin
    from openoutcry.host.processes import hide_memory

    hide_memory()
    if len(tokens) not in (0, 2) or bool(tokens) != (pin_fd is not None):
        raise click.UsageError("--token is given twice, with --pin-fd, or not at all")
    keys, shares = hold(network)
    pin = read_pin(pin_fd) if pin_fd is not None else ""
    for number, token in enumerate(tokens, 1):
        with Hsm(module, token, pin) as hsm:
            fill_token(hsm, keys, number)
        click.echo(f"token {token}: the keys of signer {number}")
    for path in write_ceremony(folder, keys, shares):
        click.echo(path)
    click.echo(f"fingerprint {keys.fingerprint}")


@custody.command()
@click.argument("module", type=PathArgument)
@click.argument("token")
@click.argument("label", type=click.Choice(["attest", "gas"]))
@PIN_OPTION
def key(module: Path, token: str, label: str, pin_fd: int) -> None:
    """Make the attestor's or the gas account's key in a token.

    It prints the public key; of the gas account also the address, which needs coins."""
    from openoutcry.custody.hsm import Hsm, read_pin, uncompressed

    with Hsm(module, token, read_pin(pin_fd)) as hsm:
        public = hsm.make_key(label)
    click.echo(public.hex())
    if label == "gas":
        from openoutcry.custody.evm.encoding import address_of_public_key, address_text

        click.echo(address_text(address_of_public_key(uncompressed(public))))


@custody.group()
def refill() -> None:
    """Refill the hot wallet from the cold one, approved by two people."""


@refill.command("ask", cls=AmountCommand)
@click.argument("file", type=PathArgument)
@click.argument("asset")
@click.argument("amount", type=Amount)
def ask_refill(file: Path, asset: str, amount: str) -> None:
    """Ask for a refill of AMOUNT: print its number and address."""
    from openoutcry.custody.refills import Refills
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store

    made = read_custody_file(file)
    with Store(made.folder) as store:
        units = units_typed(amount, asset, made.known_asset(asset).decimals)
        number, address = Refills(made, store).ask(asset, units)
    click.echo(f"refill {number} to {address}: two people must approve it")


@refill.command("approve")
@click.argument("file", type=PathArgument)
@click.argument("number", type=Whole(1))
@PERSON_OPTION
def approve_refill(file: Path, number: int, person: str) -> None:
    """Approve a refill; with the second person its lock begins."""
    from openoutcry.custody.refills import Refills
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store
    from openoutcry.venue.calendar import utc_text

    made = read_custody_file(file)
    with Store(made.folder) as store:
        click.echo((refills := Refills(made, store)).shown(number), err=True)
        word = read_secret(f"password of {person}")
        usable = refills.approve(number, person, word)
    click.echo(f"locked until {utc_text(usable)}" if usable else "another person must approve it")


OUT_OPTION = click.option(
    "--out", type=PathArgument, required=True, help="File to write; it must not exist."
)


@refill.command("build")
@click.argument("file", type=PathArgument)
@click.argument("number", type=Whole(1))
@click.argument("public", type=PathArgument)
@OUT_OPTION
def build_refill(file: Path, number: int, public: Path, out: Path) -> None:
    """Write what is to be signed offline, once the lock is over."""
    from openoutcry.custody.ceremony import read_public, write_private
    from openoutcry.custody.refills import Refills, with_approval
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.custody.store import Store

    made, document = read_custody_file(file), read_public(public)
    with Store(made.folder) as store:
        refills = Refills(made, store)
        asset, approval = refills.approved(number)
        spec = made.chain(asset.chain)
        if spec.kind == "evm":
            from openoutcry.custody.evm import cold as evm
            from openoutcry.custody.evm import parts
            from openoutcry.custody.evm.contracts import COIN, Payment

            token = parts.address(asset.token, "token") if asset.token else COIN
            payment = Payment(token, parts.address(approval.address, "refill"), approval.amount)
            unsigned = evm.build(document, parts.nodes_of(spec)[0], spec.cold, [payment], 86_400)
            lines = evm.shown(unsigned)
        else:
            from openoutcry.custody import cold as utxo
            from openoutcry.custody.utxo.rpc import nodes_of

            node = nodes_of(spec)[0]
            found = utxo.outputs_of(document, node, ["cold"], LAST)
            terms = approval.address, approval.amount, spec.fee_rate
            unsigned = utxo.build(document, found, *terms)
            unsigned = utxo.with_transactions(unsigned, found, node)
            lines = utxo.shown(unsigned)
        refills.close(number)
    write_private(out, json.dumps(with_approval(unsigned, approval)))
    click.echo("\n".join(lines))


@custody.group()
def cold() -> None:
    """Pay from the cold wallet, or recover, by carried files."""


OWED_OPTION = click.option(
    "--liabilities",
    type=PathArgument,
    help="The venue's statement of what it owes; `verify` compares with no other.",
)
NODE_OPTION = click.option(
    "--node", "url", type=Secret(), required=True, help="The node: http://USER:PASSWORD@HOST:PORT."
)
LAST_OPTION = click.option(
    "--last",
    type=Whole(0),
    default=LAST,
    show_default=True,
    help="Last index to look at.",
)


@cold.command(cls=AmountCommand)
@click.argument("public", type=PathArgument)
@NODE_OPTION
@click.option(
    "--to",
    "address",
    required=True,
    help="Pay to this address, or to the cold wallet of another ceremony's public file.",
)
@click.option("--amount", type=Amount, default="", help="How much (default: everything).")
@click.option(
    "--wallet",
    "wallets",
    multiple=True,
    type=click.Choice(["hot", "cold"]),
    default=["cold"],
    show_default=True,
    help="From this wallet; give both to recover everything.",
)
@click.option("--rate", type=Whole(1), default=10, show_default=True, help="Fee per byte.")
@LAST_OPTION
@OUT_OPTION
def build(
    public: Path,
    url: str,
    address: str,
    amount: str,
    wallets: tuple[str, ...],
    rate: int,
    last: int,
    out: Path,
) -> None:
    """Online: write what is to be signed."""
    from openoutcry.custody.ceremony import read_public, write_private
    from openoutcry.custody.cold import build as build_document
    from openoutcry.custody.cold import first_address, outputs_of, shown
    from openoutcry.custody.utxo.address import COIN_DECIMALS, network_of
    from openoutcry.custody.utxo.rpc import Rpc

    document = read_public(public)
    if Path(address).is_file():
        address = first_address(read_public(Path(address)))
    found = outputs_of(document, Rpc(url), wallets, last)
    network = network_of(document["network"])
    units = _some_or_all(amount, network.coin, COIN_DECIMALS)
    made = build_document(document, found, address, units, rate)
    write_private(out, json.dumps(made))
    click.echo("\n".join(shown(made)))


@cold.command("sign")
@click.argument("unsigned", type=PathArgument)
@click.option("--share", "shares", multiple=True, type=PathArgument, help="A share; give two.")
@click.option(
    "--passphrase", type=Secret(), default="", help="The ceremony's passphrase, if it had one."
)
@click.option("--recovery", is_flag=True, help="Sign a payment that is no approved refill.")
@OUT_OPTION
def sign_cold(
    unsigned: Path, shares: tuple[Path, ...], passphrase: str, recovery: bool, out: Path
) -> None:
    """Offline: sign with the secret of two shares."""
    from openoutcry.custody.ceremony import recovered, write_private
    from openoutcry.custody.cold import read_document
    from openoutcry.custody.errors import readable
    from openoutcry.host.processes import hide_memory

    hide_memory()
    document = read_document(unsigned)
    texts = [path.read_text(encoding="utf-8") for path in shares]
    with readable(str(unsigned), "the document"):
        keys = recovered(texts, document["network"], document["fingerprint"], passphrase)
        if "challenge" in document:
            from openoutcry.custody import reserves as proofs

            click.echo(f"signs that it holds {_held(document)}; nothing is paid")
            if "vault" in document:
                from openoutcry.custody.evm import reserves as evm_proofs

                made = evm_proofs.sign_cold(document, keys)
            else:
                made = proofs.sign_cold(document, keys)
        elif document.get("kind") == "evm":
            from openoutcry.custody.evm import cold as evm

            said = [] if recovery else evm.check_refill(document)
            click.echo("\n".join(said + evm.shown(document)))
            made = evm.sign(document, keys)
        else:
            from openoutcry.custody import cold as utxo

            said = [] if recovery else utxo.check_refill(document, keys)
            click.echo("\n".join(said + utxo.shown(document)))
            made = utxo.sign(document, keys)
    write_private(out, json.dumps(made))


@cold.command()
@click.argument("signed", type=PathArgument)
@NODE_OPTION
def send(signed: Path, url: str) -> None:
    """Online: send what was signed."""
    from openoutcry.custody.cold import read_document

    document = read_document(signed)
    if document.get("kind") == "evm":
        from openoutcry.custody.evm import cold as evm
        from openoutcry.custody.evm.node import Node

        click.echo(evm.send(document, Node(url)))
    else:
        from openoutcry.custody import cold as utxo
        from openoutcry.custody.utxo.rpc import Rpc

        click.echo(utxo.send(document, Rpc(url)))


@cold.command()
@click.argument("document", type=PathArgument)
@click.argument("folder", type=PathArgument)
def show(document: Path, folder: Path) -> None:
    """Write a document as QR images into a new folder."""
    from openoutcry.custody.cold import read_document
    from openoutcry.custody.qr import write_images

    click.echo("\n".join(str(path) for path in write_images(read_document(document), folder)))


@cold.command()
@click.argument("images", type=PathArgument, nargs=-1, required=True)
@OUT_OPTION
def scan(images: tuple[Path, ...], out: Path) -> None:
    """Read a document from its QR images, or photographs of them."""
    from openoutcry.custody.ceremony import write_private
    from openoutcry.custody.qr import read_images

    write_private(out, json.dumps(read_images(images)))


@cold.command("reserves")
@click.argument("public", type=PathArgument)
@NODE_OPTION
@click.option("--chain", required=True, help="The chain's name in the proof.")
@click.option("--asset", required=True, help="The venue's name of the chain's coin.")
@click.option("--challenge", required=True, help="The text that an outsider gave.")
@OWED_OPTION
@click.option("--vault", default="", help="On an EVM chain: the cold vault's address.")
@click.option("--token", "tokens", multiple=True, help="ASSET=CONTRACT: a token in the vault.")
@LAST_OPTION
@OUT_OPTION
def cold_reserves(
    public: Path,
    url: str,
    chain: str,
    asset: str,
    challenge: str,
    liabilities: Path | None,
    vault: str,
    tokens: tuple[str, ...],
    last: int,
    out: Path,
) -> None:
    """Online: write what proves the cold reserves, to be signed."""
    from openoutcry.custody.ceremony import read_public, write_private

    made, owed = read_public(public), _owed(liabilities)
    if vault:
        from openoutcry.custody.evm import reserves as evm
        from openoutcry.custody.evm.contracts import COIN
        from openoutcry.custody.evm.node import Node
        from openoutcry.custody.evm.parts import address as parsed

        named = {name: parsed(one, "--token") for name, one in _named(tokens, "--token").items()}
        terms = Node(url), vault, {asset: COIN} | named, challenge, owed
        document = evm.prove_cold(made, chain, *terms)
    else:
        from openoutcry.custody import reserves as proofs
        from openoutcry.custody.utxo.rpc import Rpc

        document = proofs.prove_cold(made, chain, asset, Rpc(url), last, challenge, owed)
    write_private(out, json.dumps(document))
    click.echo(f"{_held(document)} at block {document['height']}")


@cold.command("build-evm", cls=AmountCommand)
@click.argument("public", type=PathArgument)
@NODE_OPTION
@click.option("--vault", required=True, help="The vault's address.")
@click.option("--to", "address", default="", help="Pay to this address.")
@click.option("--token", default="", help="The contract of a token (default: the chain's coin).")
@click.option("--amount", type=Amount, default="", help="How much (default: everything).")
@click.option(
    "--replace", "owners", type=(str, str), help="Instead of a payment: an owner, and the new one."
)
@click.option(
    "--valid-s",
    type=Whole(60),
    default=86_400,
    show_default=True,
    help="Seconds for which the signed document may be sent.",
)
@OUT_OPTION
def build_evm(
    public: Path,
    url: str,
    vault: str,
    address: str,
    token: str,
    amount: str,
    owners: tuple[str, str] | None,
    valid_s: int,
    out: Path,
) -> None:
    """Online: write what the owners of an EVM vault are to sign."""
    from openoutcry.custody.ceremony import read_public, write_private
    from openoutcry.custody.evm import cold as evm
    from openoutcry.custody.evm.contracts import COIN, Payment
    from openoutcry.custody.evm.node import Node
    from openoutcry.custody.evm.parts import address as parsed
    from openoutcry.custody.evm.reserves import decimals_of

    if (owners is None) == (not address):
        raise click.UsageError("give either --to or --replace")
    document, node = read_public(public), Node(url)
    if owners is not None:
        old, new = (parsed(owner, "--replace") for owner in owners)
        made = evm.build_change(document, node, vault, old, new, valid_s)
    else:
        what = parsed(token, "--token") if token else COIN
        decimals = decimals_of(node, what, "latest")
        units = _some_or_all(amount, token or "the coin", decimals)
        payment = Payment(what, parsed(address, "--to"), units)
        made = evm.build(document, node, vault, [payment], valid_s)
    write_private(out, json.dumps(made))
    click.echo("\n".join(evm.shown(made)))


@custody.command()
@click.argument("file", type=PathArgument)
def reconcile(file: Path) -> None:
    """Compare chain, custody, core and ledger; stop if they differ.

    More on a chain than custody has seen is an alarm and stops nothing. It reads the whole
    journal. `serve` compares chain, custody and core with each block."""
    from openoutcry.custody.errors import CustodyError
    from openoutcry.custody.reconcile import Balance, Reconciler
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file
    from openoutcry.ledger.accounts import VENUE, VenueAccount
    from openoutcry.ledger.ledger_state import at

    made, surplus = read_custody_file(file), []

    def brought_in() -> dict[str, int]:
        books = at(made.journal).books
        return {
            books.assets[place.asset]: -value
            for place, value in books.nonzero_balances()
            if place.owner == VENUE and place.kind == VenueAccount.OUTSIDE
        }

    def show(one: Balance) -> None:
        held = made.known_asset(one.asset).text_on_chain(one.on_chain)
        click.echo(f"{one.asset}: {held} on chain at block {one.height}")
        if one.is_surplus:
            surplus.append(one.asset)
            click.echo(f"{one.asset}: {reconciler.surplus(one)} more than custody has seen")

    with Parts(made, sends=False) as parts:
        reconciler = Reconciler(made, parts.store, parts.venue, parts.rails)
        if wrong := reconciler.differences(brought_in, show):
            parts.breaker.trip(f"reconciliation: {wrong[0]}")
            raise CustodyError("\n".join(wrong))
    if surplus:
        click.echo(f"nothing is missing; look at what is too much: {', '.join(surplus)}")
        return
    click.echo("chain, custody, core and ledger agree to the unit")


@custody.command()
@click.argument("file", type=PathArgument)
@click.argument("chain")
@click.option("--challenge", required=True, help="Text of the outsider, 1 to 100 characters.")
@OWED_OPTION
@OUT_OPTION
def reserves(file: Path, chain: str, challenge: str, liabilities: Path | None, out: Path) -> None:
    """Prove what the hot wallet holds; its keys sign it."""
    from openoutcry.custody import reserves as proofs
    from openoutcry.custody.ceremony import write_private
    from openoutcry.custody.serve import Parts
    from openoutcry.custody.settings import read_custody_file

    made, owed = read_custody_file(file), _owed(liabilities)
    spec = made.chain(chain)
    asset = made.asset_of(chain, "")
    with Parts(made, sends=False) as parts:
        if spec.kind == "evm":
            from openoutcry.custody.evm import reserves as evm
            from openoutcry.custody.evm.parts import nodes_of as evm_nodes_of

            known = parts.store, parts.links
            document = evm.prove(spec, made, *known, evm_nodes_of(spec)[0], challenge, owed)
        else:
            from openoutcry.custody.utxo.rpc import nodes_of

            name = asset.name if asset else chain
            known = parts.store, parts.links
            document = proofs.prove(spec, name, *known, nodes_of(spec)[0], challenge, owed)
    write_private(out, json.dumps(document))
    click.echo(f"{_held(document)} at block {document['height']}")


def _some_or_all(amount: str, asset: str, decimals: int) -> int:
    """Return ``--amount`` in the chain's smallest units; 0, which is everything, without it."""
    units = units_typed(amount, asset, decimals) if amount else 0
    if amount and not units:
        raise click.UsageError("--amount must be more than 0; without it, everything is paid")
    return units


def _owed(liabilities: Path | None) -> str:
    """Return the hash that binds a proof to a statement of what is owed; nothing without one."""
    from openoutcry.ledger.proof import files

    if liabilities is None:
        return ""
    return files.read_statement(liabilities)[0].content(b"").hex()


def _held(document: dict[str, Any]) -> str:
    totals = document.get("totals") or {document["asset"]: document["total"]}
    decimals = document["decimals"]
    of = decimals if isinstance(decimals, dict) else dict.fromkeys(totals, decimals)
    return ", ".join(amount_words(int(amount), name, of) for name, amount in totals.items())


def _named(values: tuple[str, ...], option: str) -> dict[str, str]:
    """Return the names and values of options of the form ``NAME=VALUE``, each name once."""
    pairs = _pairs(values, option)
    if len(dict(pairs)) != len(pairs):
        raise click.UsageError(f"{option} names {pairs[-1][0]} twice")
    return dict(pairs)


def _pairs(values: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in values]
    if any(not name or not value for name, _, value in pairs):
        raise click.UsageError(f"{option} is NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


@custody.command()
@NODE_OPTION
@click.option("--from", "first", type=Whole(0), required=True, help="First height.")
@OUT_OPTION
def headers(url: str, first: int, out: Path) -> None:
    """Write a chain's block headers, for `verify --headers`.

    They are public: anyone may give them to the person who verifies."""
    from openoutcry.custody.anchors import fetch_headers
    from openoutcry.custody.utxo.rpc import Rpc
    from openoutcry.wire.atomic_file import create_atomically

    data = fetch_headers(Rpc(url), first)
    if not create_atomically(out, data):
        raise click.UsageError(f"{out} already exists")
    click.echo(f"{len(data) // 80} headers from height {first}")


@custody.command()
@click.argument("proofs", type=PathArgument, nargs=-1, required=True)
@click.option("--challenge", required=True, help="The text that you gave.")
@click.option("--liabilities", type=PathArgument, help="The venue's statement of what it owes.")
@click.option("--public-key", help="The venue's key of that statement, in hexadecimal.")
@click.option(
    "--node",
    "nodes",
    type=Secret(),
    multiple=True,
    help="CHAIN=URL: ask this node of yours what only a node knows; needed for EVM chains.",
)
@click.option(
    "--block",
    "named",
    multiple=True,
    help="CHAIN=HASH: a block that you know to be in the chain; repeatable.",
)
@click.option(
    "--headers",
    "header_files",
    multiple=True,
    help="CHAIN=FILE: block headers, up to a named block or with work from a checkpoint.",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    help="ASSET=CONTRACT: the token that you mean by an asset; needed to compare it with a debt.",
)
@click.option(
    "--not-on-chain",
    "left_out",
    multiple=True,
    help="ASSET: leave out an asset that is on no chain, such as money in a bank; repeatable.",
)
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    help="The moment to be proved: nothing may be older by a day, or be later [now].",
)
def verify(
    proofs: tuple[Path, ...],
    challenge: str,
    liabilities: Path | None,
    public_key: str | None,
    nodes: tuple[str, ...],
    named: tuple[str, ...],
    header_files: tuple[str, ...],
    tokens: tuple[str, ...],
    left_out: tuple[str, ...],
    moment: str | None,
) -> None:
    """Check proofs of all wallets' reserves against what is owed.

    It believes no block that only the proof names: for each chain it needs --node, or --block, or
    --headers with enough work. Whatever is missing is an error, and nothing is proved. So is a
    proof or a statement of another day: --at names that day."""
    import time

    from openoutcry.cli.audit_answers import moment_ns
    from openoutcry.custody.cold import read_document
    from openoutcry.custody.errors import CustodyError
    from openoutcry.custody.outsider import Anchors, Debts, Outsider
    from openoutcry.ledger.proof import files
    from openoutcry.ledger.proof.statement import check_signature
    from openoutcry.wire.errors import OutcryError

    if liabilities is not None and not public_key:
        raise click.UsageError("--liabilities needs --public-key: never take it from the statement")
    blocks: dict[str, list[str]] = {}
    for name, value in _pairs(named, "--block"):
        blocks.setdefault(name, []).append(value)
    anchors = Anchors(
        _named(nodes, "--node"),
        blocks,
        {name: Path(at) for name, at in _named(header_files, "--headers").items()},
    )
    try:
        at_ns = time.time_ns() if moment is None else moment_ns(moment)
        outsider = Outsider(challenge, anchors, click.echo, at_ns)
        outsider.look_at([read_document(path) for path in proofs])
        if liabilities is not None:
            stated, named_key, signature, before = files.read_statement(liabilities)
            key = files.from_hex(public_key, "--public-key", 32)
            check_signature(stated, key, signature, before)
            if named_key != key:
                raise CustodyError("the statement names another key than --public-key")
            terms = stated.assets, stated.sums, stated.decimals
            rows = tuple(zip(*terms, strict=True)) if stated.decimals else ()
            bound = stated.content(b"").hex()
            debts = Debts(bound, rows, stated.as_of_seq, stated.as_of_ns)
            outsider.compare(debts, _named(tokens, "--token"), left_out)
        else:
            click.echo("what is owed was not compared: give --liabilities and --public-key")
    except OutcryError as error:
        raise CustodyError(f"not proved: {error}") from None


@custody.command()
@click.option(
    "--folder",
    type=PathArgument,
    help="Keep everything in this new folder (default: a temporary one).",
)
def demo(folder: Path | None) -> None:
    """Run a deposit, a trade and a withdrawal on a real node.

    It needs Litecoin Core and SoftHSM on this machine, and takes one or two minutes."""
    import tempfile

    from openoutcry.custody.demo import run

    if folder is not None:
        folder.mkdir(parents=True)
        run(folder, click.echo)
        return
    with tempfile.TemporaryDirectory(prefix="custody-") as made:
        run(Path(made), click.echo)
