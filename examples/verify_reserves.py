"""Check what a venue shows of its reserves and of what it owes, with nothing of the venue's code.

    python verify_reserves.py hot.json cold.json --statement statement.json --public-key HEX \
        --challenge TEXT --block LTC=HASH [--member alice.json]

It needs ``pip install blake3 cryptography``, and believes only your options: the venue's key, your
challenge, and for each chain a node of yours (``--node LTC=URL``) or blocks that you know.
What is older than a day is refused: ``--at 2026-11-29T12:00Z`` asks for what was true then.
"""

import argparse
import base64
import hashlib
import io
import json
import pathlib
import sys
import urllib.parse
import urllib.request
import zlib
from datetime import UTC, datetime
from functools import partial

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENESIS = {
    "btc-regtest": "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
    "btc": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "ltc": "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
    "ltc-regtest": "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
}
COINS = {1: "ETH", 10: "ETH", 8453: "ETH", 42161: "ETH", 11155111: "ETH", 31337: "ETH"}
NO_TOKEN = "0x" + "00" * 20
# Vyper 0.4.3 makes them of wallet.vy and deposit.vy: a vault's hash, a deposit address's code.
VAULT_CODE_SHA256 = "b7b68f4d8c5765d07b50d4c0be5f6e1f3540e63bd53a327f4ea412d2ad7a891d"
DEPOSIT_CODE = (
    "c-m!Aze^lJ6rSguU==P%^c2x4tR*4mg)^)O3Kl8c-6AWu=zNoNB@j?i6JnLQJy%I_aE+bCrU@h@q>P}&CGnpSLF{a7B%"
    "S2IH!GOJdCYtB<Gt^j?~SIW=a#f62auXNs-irDbSOKR@-gLUYWh62n9xF0G=1mrH&mvh#&JGWqt}D4>P1bv0Y=M(Qop8"
    ";0rKM+hF#ubh=mNkY2jz93h)6}ar9u4-JPqJYfV!UI7&@AsuOZmZ7q$T!1#}m`j9Xf#r}5nT8qa2Ea?<78q;z;i^^4By"
    "7v#W3g$z*VmZ!jeTo?zsib<P#qk}0qs3`po<GV!NRwc#T`xlivR-6Y=qj=jLi=HskaBM*(`7T=kiF$KK8$A{4{7WL9x("
    "rh&DA&2%7k2xmfvnfOXA)@+ecdGe8N~9FB-;{4I+%hD%V$zpSdnZ26*Q|67|{s)T!mxdj4#sEXW{F_}2*q8-GSJFJJsP"
    "NG`j-?fv?yo=%^o?|Xxbvs~%(<?oZ9!>#ywZh)GmC_hE-w$`HchREkc`3Cc%tUv"
)


def need(is_true, why):
    if not is_true:
        sys.exit(f"not proved: {why}")


def read(path):
    def once(pairs):
        text, is_once = "".join(str(one) for one in sum(pairs, ())), len(dict(pairs)) == len(pairs)
        need(is_once and text.isprintable(), f"{path}: a field occurs twice, or is no plain text")
        return dict(pairs)

    return json.loads(pathlib.Path(path).read_text("utf-8"), object_pairs_hook=once)


def get(place, name, kind=str):
    """A field that must be there, and of this type (a bool is no number)."""
    need(type(place[name]) is kind, f"{name} is not a {kind.__name__}")
    return place[name]


def number(text, end):
    is_one = str(text).isdecimal() and str(int(text)) == text and int(text) < end
    need(is_one, f"{text!r} is no number below {end}")
    return int(text)


def raw(text, size=None):
    value = bytes.fromhex(text)
    need(value.hex() == text and size in (None, len(value)), f"{text[:20]!r} is not its bytes")
    return value


def date(what, seconds, options):
    """A date as text; it must be of the day before the moment that is asked for."""
    when = datetime.fromtimestamp(seconds, UTC)
    options.dates.append(seconds)
    is_then = -7_200 <= options.at.timestamp() - seconds <= 86_400
    need(is_then, f"{what} is of {when}, and says nothing of the day before {options.at}")
    return str(when)


def digest(kind, content):
    context = f"Open Outcry 2026 proof of liabilities 1 {kind}"
    return blake3(content, derive_key_context=context).digest()


def check_statement(path, public_key, options):
    """Return what the venue signed: time, hash that reserves name, (units, decimals) by asset."""
    stated = read(path)
    need(get(stated, "format") == "openoutcry-proof-1", "the statement has another format")
    sums, decimals = get(stated, "sums", dict), get(stated, "decimals", dict)
    need(sums and list(sums) == list(decimals), "decimals are not of the same assets as sums")
    units = {name: number(text, 2**127) for name, text in sums.items()}
    scales = {name: number(text, 31) for name, text in decimals.items()}
    seq, members = number(get(stated, "as_of_seq"), 2**63), number(get(stated, "members"), 2**41)
    content = seq.to_bytes(8, "little") + members.to_bytes(8, "little")
    content += len(units).to_bytes(2, "little") + b"".join(map(text_bytes, units))
    time_ns = number(get(stated, "as_of_ns"), 2**63)
    content += bytes(scales.values()) + time_ns.to_bytes(8, "little")
    content += raw(get(stated, "root"), 32) + packed(units.values())
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw(public_key, 32))
    kind = "statement with decimals and time"
    signed = digest(kind, content + raw(get(stated, "challenge")))
    key.verify(raw(get(stated, "signature"), 64), signed)
    need(get(stated, "public_key") == public_key, "the statement names another key")
    when = f"after command {seq}, {date('the statement', time_ns // 10**9, options)}"
    owed = {name: (units[name], scales[name]) for name in units}
    return stated, when, digest(kind, content).hex(), owed


def check_member(path, stated):
    """A member's balances, if its proof leads to the statement's root and sums."""
    proof, names = read(path), list(stated["sums"])
    balances = [number(text, 2**63) for text in get(proof, "balances", list)]
    members, index = int(stated["members"]), number(get(proof, "leaf_index"), 2**40)
    siblings = get(proof, "siblings", list)
    need(index < members and len(siblings) == (members - 1).bit_length(), "no such leaf")
    leaf = raw(get(proof, "salt"), 32) + text_bytes(get(proof, "member")) + packed(balances)
    node, sums = digest("leaf", leaf), balances
    for level, sibling in enumerate(siblings):
        theirs = [number(text, 2**127) for text in get(sibling, "sums", list)]
        sides = [(node, sums), (raw(get(sibling, "hash"), 32), theirs)]
        sides.reverse() if index >> level & 1 else None
        sums = [one + two for one, two in zip(sides[0][1], sides[1][1], strict=True)]
        node = digest("node", b"".join(part + packed(own) for part, own in sides))
    need(node.hex() == stated["root"], "the proof does not lead to the statement's root")
    need(list(map(str, sums)) == list(stated["sums"].values()), "its sums are other ones")
    return proof["member"], dict(zip(names, balances, strict=True))


def packed(numbers):
    return b"".join(one.to_bytes(16, "little") for one in numbers)


def text_bytes(name):
    return len(name.encode()).to_bytes(2, "little") + name.encode()


def signers_of(document):
    """The keys that signed a proof of reserves; each signature must be right."""
    plain = {name: value for name, value in document.items() if name != "signatures"}
    content = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    message = f"reserves {document['chain']} {hashlib.sha256(content).hexdigest()}"
    tag = hashlib.sha256(b"Open Outcry custody 1 reserves").digest()
    signed, found = hashlib.sha256(tag + tag + message.encode()).digest(), []
    for row in get(document, "signatures", list):
        key, both = raw(get(row, "key"), 33), raw(get(row, "signature"), 64)
        r, s = int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big")
        need(0 < r < ORDER and 0 < s <= ORDER // 2, "a signature is not in its one form")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
        how = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        public.verify(utils.encode_dss_signature(r, s), signed, how)
        found.append(key)
    need(len(set(found)) == len(found), "a key signed twice")
    return found


def double(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def take(stream, size):
    data = stream.read(size)
    need(len(data) == size, "bytes end early")
    return data


def count(stream):
    first = take(stream, 1)[0]
    return first if first < 0xFD else int.from_bytes(take(stream, 1 << first - 0xFC), "little")


def outputs_of(data):
    """A transaction's id and outputs: (amount, script)."""
    rest = io.BytesIO(data)
    version, flags = take(rest, 4), 0
    if data[4:5] == b"\0":
        flags = take(rest, 2)[1]
        need(flags and not flags & ~9, "a transaction has other flags")
    start, inputs, outputs = rest.tell(), count(rest), []
    for _ in range(inputs):
        take(rest, 36), take(rest, count(rest)), take(rest, 4)
    for _ in range(count(rest)):
        outputs.append((int.from_bytes(take(rest, 8), "little"), take(rest, count(rest))))
    middle = data[start : rest.tell()]
    for _ in range(inputs if flags & 1 else 0):
        [take(rest, count(rest)) for _ in range(count(rest))]
    need(not flags & 8 or take(rest, 1) == b"\0", "a transaction has an extension")
    plain = version + middle + take(rest, 4)
    need(rest.tell() == len(data), "a transaction has bytes after it")
    return double(plain)[::-1].hex(), outputs


def block_of(data):
    """The block and the transactions that a partial merkle tree (BIP 37) shows."""
    rest = io.BytesIO(data)
    header, leaves = take(rest, 80), int.from_bytes(take(rest, 4), "little")
    need(0 < leaves < 1 << 20, "a block has another number of transactions")
    parts, shown = [take(rest, 32) for _ in range(count(rest))], []
    bits = [byte >> at & 1 for byte in take(rest, count(rest)) for at in range(8)]

    def node(level, place):
        need(bits and parts, "a merkle proof ends early")
        bit = bits.pop(0)
        if level == 0 or not bit:
            shown.extend([parts[0][::-1].hex()] if level == 0 and bit else [])
            return parts.pop(0)
        left = node(level - 1, 2 * place)
        if 2 * place + 1 >= -(-leaves // (1 << level - 1)):
            return double(left + left)
        right = node(level - 1, 2 * place + 1)
        need(left != right, "a merkle proof repeats a branch")
        return double(left + right)

    root = node((leaves - 1).bit_length(), 0)
    need(root == header[36:68] and not parts, "a merkle proof does not lead to its header")
    return double(header)[::-1].hex(), shown


def check_work(network, header):
    """A header has work as its network wants it: a block of another coin has none."""
    bits, is_scrypt = int.from_bytes(header[72:76], "little"), network.startswith("ltc")
    target = (bits & 0x7FFFFF) << 8 * ((bits >> 24) - 3)
    scrypt = partial(hashlib.scrypt, salt=header, n=1024, r=1, p=1, dklen=32)
    made = int.from_bytes((scrypt if is_scrypt else double)(header), "little")
    is_own = bits == 0x207FFFFF if network.endswith("-regtest") else target < 1 << 236
    need(is_own and made <= target, f"a block has no work of {network}")


def check_outputs(document, options, chain, _):
    """Asset, (amount, decimals, token), of a wallet of the Bitcoin family; and its block's time."""
    network = get(document, "network")
    coin, kind = network.partition("-")[0].upper(), get(document, "kind")
    need(network in GENESIS and kind in ("reserves", "cold-reserves"), f"no {kind} of {network}")
    said = get(document, "asset"), get(document, "decimals", int)
    need(said == (coin, 8), f"{network} has {coin} with 8 decimals, not {said}")
    signers, total, places, blocks = set(signers_of(document)), 0, [], {get(document, "block")}
    header = raw(get(document, "header"), 80)
    need(double(header)[::-1].hex() == document["block"], "the header is another block's")
    check_work(network, header)
    for row in get(document, "outputs", list):
        txid, outputs = outputs_of(raw(get(row, "raw")))
        place = get(row, "place", int)
        need(0 <= place < len(outputs) and txid == get(row, "txid"), "another transaction")
        amount, lock = outputs[place]
        if kind == "cold-reserves":
            keys, needed = [raw(get(row, "public_key"), 33)], 1
            wanted = b"\0\x14" + hashlib.new("ripemd160", hashlib.sha256(keys[0]).digest()).digest()
        else:
            script, needed = raw(get(row, "witness_script"), 105), 2
            keys = [script[at : at + 33] for at in (2, 36, 70)]
            only = b"\x52" + b"".join(b"\x21" + key for key in keys) + b"\x53\xae"
            need(script == only and keys == sorted(set(keys)), "a script is not of 2 of 3 keys")
            wanted = b"\0\x20" + hashlib.sha256(script).digest()
        need(lock == wanted and len(set(keys) & signers) >= needed, "a signer cannot spend it")
        block, shown = block_of(raw(get(row, "proof")))
        check_work(network, raw(row["proof"])[:80])
        need(txid in shown, f"{txid} is in no block")
        need(number(get(row, "amount"), 2**63) == amount, f"{txid} has another amount")
        total, places, blocks = total + amount, [*places, (network, txid, place)], blocks | {block}
    need(number(get(document, "total"), 2**63) == total, "the total is another")
    if chain in options.node:
        ask, height = partial(node, options.node[chain]), get(document, "height", int)
        need(ask("getblockhash", 0) == GENESIS[network], f"your node is not of {network}")
        need(ask("getblockhash", height) == document["block"], "your node has another block")
        for one in blocks:
            need(ask("getblockheader", one)["confirmations"] > 0, f"{one} is not in the chain")
        for _, txid, place in places:
            need(ask("gettxout", txid, place), f"{txid}:{place} was spent")
    else:
        missing = [one for one in blocks if f"{chain}={one}" not in options.block]
        need(not missing, f"nothing but the proof says that these blocks exist: {missing}")
    return {coin: (total, 8, NO_TOKEN, network)}, places, int.from_bytes(header[68:72], "little")


def node(url, method, *params):
    """Return what a node of yours answers; the URL may have user and password."""
    parts = urllib.parse.urlsplit(url)
    user = ":".join(urllib.parse.unquote(one or "") for one in (parts.username, parts.password))
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    token = "Basic " + base64.b64encode(user.encode()).decode()
    sent = {"content-type": "application/json", "authorization": token}
    with urllib.request.urlopen(urllib.request.Request(url, body, sent), timeout=60) as response:
        answer = json.load(response)
    need(not answer.get("error"), f"your node: {method}: {answer.get('error')}")
    return answer.get("result")


def check_vault(document, options, chain, last):
    """By asset (amount, decimals, token); all vaults of a chain count at its ``last`` block."""
    need(chain in options.node, "a vault needs --node: only a node knows balances")
    need(get(document, "kind") in ("evm-reserves", "evm-cold-reserves"), "another kind of proof")
    ask, block = partial(node, options.node[chain]), hex(get(document, "height", int))
    chain_id, vault = get(document, "chain_id", int), get(document, "vault").lower()
    need(int(ask("eth_chainId"), 16) == chain_id, "your node follows another chain")
    found = ask("eth_getBlockByNumber", block, False)
    need(found and found["hash"] == get(document, "block"), "your node has another block")
    code = raw(ask("eth_getCode", vault, block)[2:])
    need(hashlib.sha256(code).hexdigest() == VAULT_CODE_SHA256, "the vault has other code")

    def view(to, name, *words, at=block):
        data = ask("web3_sha3", "0x" + name.encode().hex())[:10]
        data += "".join(f"{one:064x}" for one in words)
        return int(ask("eth_call", {"to": to, "data": data}, at), 16)

    def balance(token, at):
        if token == NO_TOKEN:
            return sum(int(ask("eth_getBalance", one, at), 16) for one in holders)
        return sum(view(token, "balanceOf(address)", int(one, 16), at=at) for one in holders)

    owners, signed = {view(vault, "owners(uint256)", place) for place in range(3)}, set()
    for key in signers_of(document):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key).public_numbers()
        signed.add(int(ask("web3_sha3", f"0x{point.x:064x}{point.y:064x}")[26:], 16))
    need(len(owners & signed) >= 2, "two owners of the vault must sign")
    code = zlib.decompress(base64.b85decode(DEPOSIT_CODE))
    made = ask("web3_sha3", "0x" + (code + bytes(12) + raw(vault[2:], 20)).hex())[2:]
    start, places = "0xff" + get(document, "factory")[2:], get(document, "deposit_addresses", list)
    holders = [vault, *("0x" + ask("web3_sha3", f"{start}{at:064x}{made}")[26:] for at in places)]
    need(len(set(holders)) == len(holders), "a deposit address occurs twice")
    held, tokens = {}, get(document, "tokens", dict)
    need(len(set(tokens.values())) == len(tokens), "a token occurs twice")
    for name, token in tokens.items():
        is_coin, amount = token == NO_TOKEN, balance(token, block)
        need(not is_coin or name == COINS.get(chain_id), f"{name} is not this chain's coin")
        scale = 18 if is_coin else view("0x" + raw(token[2:], 20).hex(), "decimals()")
        need(get(document, "decimals", dict).get(name) == scale, f"{name} has {scale} decimals")
        need(get(document, "totals", dict).get(name) == str(amount), f"it holds {amount} of {name}")
        held[name] = balance(token, hex(last["height"])), scale, token, chain_id
    need(set(held) == set(document["totals"]) == set(document["decimals"]), "an asset too many")
    return held, [(str(chain_id), vault)], int(found["timestamp"], 16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proofs", nargs="+")
    for name in ("statement", "public-key", "challenge"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("node", "block", "token", "not-on-chain", "member"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--at", type=datetime.fromisoformat, default=datetime.now(UTC))
    options = parser.parse_args()
    options.at = options.at if options.at.tzinfo else options.at.replace(tzinfo=UTC)
    options.dates = []  # of proofs and statement: what comes in between two would cover old debts
    for name in ("node", "token"):
        setattr(options, name, dict(text.split("=", 1) for text in getattr(options, name)))
    stated, when, bound, owed = check_statement(options.statement, options.public_key, options)
    totals, seen, tops, documents = {}, set(), {}, [(read(one), one) for one in options.proofs]
    documents.sort(key=lambda one: -get(one[0], "height", int))  # the last block first
    for document, path in documents:
        last = tops.setdefault(document["chain_id"] if "vault" in document else path, document)
        said = [get(document, name) for name in ("format", "challenge", "owed")]
        need(said == ["openoutcry-reserves-3", options.challenge, bound], f"{path}: other terms")
        check = check_vault if "vault" in document else check_outputs
        held, places, seconds = check(document, options, get(document, "chain"), last)
        day = date(path, seconds, options)
        need(len(set(places)) == len(places) and not seen & set(places), "something is there twice")
        seen |= set(places)
        for name, (amount, *kind) in held.items():
            before, *known = totals.get(name, (0, *kind))
            need(kind == known, f"{name} is one thing here and another there")
            totals[name] = before + amount, *kind
            print(f"{document['chain']}: held {amount} of {name} at block {last['block']} of {day}")
    is_one = max(options.dates) - min(options.dates) <= 7_200
    need(is_one, "proofs and statement are more than two hours apart")
    for name in options.not_on_chain:
        need(name in owed and name not in totals, f"{name} cannot be left out")
        owed.pop(name)
        print(f"{name}: left out, and not proved")
    for name, (units, decimals) in owed.items():
        need(name in totals, f"{units} units of {name} are owed, and no reserves were shown")
        held, scale, token, _ = totals[name]
        need(token == options.token.get(name, NO_TOKEN).lower(), f"{name} is {token}: see --token")
        need(scale >= decimals, f"{name} has {scale} decimals on its chain, and {decimals} here")
        needed = units * 10 ** (scale - decimals)
        need(held >= needed, f"the wallets lack {needed - held} of {name}")
        print(f"the venue owed {needed} of {name} {when}")
    for path in options.member:
        print("a member's balances are among what is owed:", *check_member(path, stated))
    left = "; only a node knows whether the outputs are unspent" if options.block else ""
    print(f"the reserves cover what is owed of {', '.join(owed)} as of {options.at:%F %T}{left}")


if __name__ == "__main__":
    try:
        main()
    except (InvalidSignature, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        sys.exit(f"not proved: {type(error).__name__}: {error}")
