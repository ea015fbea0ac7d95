"""Read a journal with nothing of the exchange's code: docs/journal-format.md is its specification.

    python read_journal.py DIR

It needs ``pip install blake3 crc32c``, and ``zstandard`` for archived segments.
"""

import base64
import json
import pathlib
import re
import struct
import sys

from blake3 import blake3
from crc32c import crc32c

HEADER = struct.Struct("<8s6QII32sqQIIBBHI")
WATERMARK = struct.Struct("<8sQqq32sIQI")
CHECKPOINT = struct.Struct("<8sQqq32sQQ")
CONFIG, COMMANDS, EVIDENCE, CLOCK = 1, 2, 3, 4
NAMES = ("magic", "layout", "journal_id", "index", "first_seq", "records", "written_ts_ns")
NAMES += ("payload", "size", "previous", "events_seq", "events_hash", "text", "unsynced", "kind")
ODD = (0x13198A2E03707345, 0xA4093822299F31D1, 0x082EFA98EC4E6C89, 0x452821E638D01377)
ODD += (0xBE5466CF34E90C6D, 0xC0AC29B7C97C50DD, 0x3F84D5B5B5470917, 0x9216D5D98979FB1B)
MASK = (1 << 64) - 1


def blocks(folder):
    """Each block in order: its header as a dict, with the bytes of its ``body`` and its ``hash``.

    Raises ValueError where the journal is damaged."""
    mark, begin = watermark(folder), folder / "retired"
    number, previous, index, seq, own = 0, bytes(32), 0, 1, 0
    if begin.exists():
        number, previous = int(begin.read_text()), None
    while (data := segment(folder, number)) is not None:
        at = 0
        while at < len(data):
            head = dict(zip(NAMES, HEADER.unpack_from(data, at), strict=False))
            whole = data[at : at + head["size"]]
            zeroed = whole[:124] + bytes(4) + whole[128:]
            right = head["magic"] == b"OUTCRYJB" and len(whole) == head["size"] >= 4096
            if not right or crc32c(zeroed) != int.from_bytes(whole[124:128], "little"):
                if segment(folder, number + 1, any_data=True) or (mark and mark[2] >= index):
                    raise ValueError(f"segment {number}, byte {at}: a block is damaged or missing")
                return  # never acknowledged: the end, clean or torn
            if previous is None:
                previous, index, seq = head["previous"], head["index"], head["first_seq"]
            own = own or head["journal_id"]
            expected = (previous, index, seq, own)
            if (head["previous"], head["index"], head["first_seq"], head["journal_id"]) != expected:
                raise ValueError(f"segment {number}, byte {at}: not the block that belongs there")
            yield head | {
                "body": whole[128 : 128 + head["payload"]],
                "hash": blake3(whole).digest(),
            }
            previous, index, at = blake3(whole).digest(), index + 1, at + head["size"]
            seq += head["records"] * (head["kind"] == COMMANDS)
        number += 1
    if mark and mark[2] >= index:
        raise ValueError(f"acknowledged up to block {mark[2]}, and only {index} are there")


def segment(folder, number, any_data=False):
    """The bytes of a segment, or None; with ``any_data``, whether it holds any but zeros."""
    path = folder / f"segment-{number:06d}.ocj"
    if path.exists():
        data = path.read_bytes()
    elif (packed := path.with_name(path.name + ".zst")).exists():
        import zstandard

        data = zstandard.ZstdDecompressor().decompressobj().decompress(packed.read_bytes())
    else:
        return None
    return any(data) if any_data else data + bytes(-len(data) % 4096)


def watermark(folder):
    """The fields of ``acknowledged``, or None."""
    path = folder / "acknowledged"
    data = path.read_bytes() if path.exists() else b""
    if not data:
        return None
    if data[:8] != b"OUTCRYA2" or crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError(f"{path} is damaged")
    return WATERMARK.unpack(data)


def checkpoints(folder):
    """Journal, command, block, its hash, facts and state of each whole checkpoint."""
    for path in sorted(folder.glob("checkpoint-*.occ")):
        data = path.read_bytes()
        is_named = re.fullmatch(r"checkpoint-\d{15}\.occ", path.name) and data[:8] == b"OUTCRYC2"
        if is_named and blake3(data[:-32]).digest() == data[-32:]:
            _, *fields, text, state = CHECKPOINT.unpack_from(data)
            at = CHECKPOINT.size + text
            yield *fields, json.loads(data[CHECKPOINT.size : at]), data[at : at + state]


def text_of(block):
    """The JSON after the records of COMMANDS: ``lanes``, ``notes`` and ``origins``, each if any."""
    end = block["records"] * 64
    return json.loads(block["body"][end : end + block["text"]]) if block["text"] else {}


def notes(text, count):
    """Place in the block and 128 bytes of metadata of each command that a session entered."""
    data, found, before = base64.b64decode(text), [], {}
    at = (count + 7) // 8
    for place in range(count):
        if not data[place // 8] >> place % 8 & 1:
            continue
        session, words = struct.unpack_from("<HH", data, at)
        at, entry = at + 4, before.setdefault(session, bytearray(128))
        for word in (word for word in range(16) if words >> word & 1):
            mask, at = data[at], at + 1
            for byte in (byte for byte in range(8) if mask >> byte & 1):
                entry[8 * word + byte], at = data[at], at + 1
        found.append((place, bytes(entry)))
    return found


def origins(text):
    """Return of each run of commands its sender, the sender's first own number, and the count."""
    words = [word for (word,) in struct.iter_unpack("<Q", base64.b64decode(text))]
    end = 2 + 4 * words[0]
    keys = [tuple(words[at : at + 4]) for at in range(2, end, 4)]
    rows = range(end, end + 2 * words[1], 2)
    return [(keys[words[at] >> 32], words[at + 1], words[at] & 0xFFFFFFFF) for at in rows]


def hash_events(events, state=0x243F6A8885A308D3):
    """The hash of events of 64 bytes each, after those that led to ``state``."""
    for words in struct.iter_unpack("<8Q", events):
        total = sum((word ^ word >> 32) * odd for word, odd in zip(words, ODD, strict=True))
        state = (state ^ total & MASK) * 0x2545F4914F6CDD1D & MASK
        state ^= state >> 29
    return state


def main(folder):
    """Print a line a block, and the head."""
    last = None
    for last in blocks(folder):
        kind = ("CONFIG", "COMMANDS", "EVIDENCE", "CLOCK")[last["kind"] - 1]
        print(last["index"], kind, last["first_seq"], last["records"], last["hash"].hex())
    print("head", last["hash"].hex() if last else "none", "acknowledged", watermark(folder))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
