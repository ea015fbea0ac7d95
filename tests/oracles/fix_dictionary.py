"""The FIX 4.4 data dictionary as PyPI's ``quickfix`` has it, and what it says against a message."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

PATHS = [Path(root) / "share/quickfix" for root in (sys.prefix, sys.base_prefix, "/usr")]
FLOAT = re.compile(rb"-?(\d+\.?\d*|\.\d+)")
FORMS = {
    "INT": re.compile(rb"-?\d+"),
    "NUMINGROUP": re.compile(rb"\d+"),
    "SEQNUM": re.compile(rb"\d+"),
    "LENGTH": re.compile(rb"\d+"),
    "CHAR": re.compile(rb"."),
    "BOOLEAN": re.compile(rb"[YN]"),
    "UTCTIMESTAMP": re.compile(rb"\d{8}-\d\d:\d\d:\d\d(\.\d{3})?"),
    "UTCDATEONLY": re.compile(rb"\d{8}"),
    "LOCALMKTDATE": re.compile(rb"\d{8}"),
} | dict.fromkeys(("PRICE", "QTY", "AMT", "FLOAT", "PRICEOFFSET", "PERCENTAGE"), FLOAT)
INVALID, MISSING, NOT_FOR_TYPE, EMPTY, RANGE, FORM, TYPE, TWICE, COUNT = (
    0,
    1,
    2,
    4,
    5,
    6,
    11,
    13,
    16,
)


def fields_of(message):
    """(tag, value) of each field of a message, as bytes."""
    return [tuple(part.split(b"=", 1)) for part in message.split(b"\x01")[:-1]]


class Dictionary:
    """What may stand in a message, by its type."""

    def __init__(self, version="FIX44"):
        files = [path / f"{version}.xml" for path in PATHS]
        existing = [file for file in files if file.exists()]
        if not existing:
            raise FileNotFoundError(f"{version}.xml is in none of {PATHS}: pip install quickfix")
        self.root = ElementTree.parse(existing[0]).getroot()
        self.numbers, self.types, self.values = {}, {}, {}
        for node in self.root.find("fields"):
            tag = node.get("number").encode()
            self.numbers[node.get("name")] = tag
            self.types[tag] = node.get("type")
            self.values[tag] = {value.get("enum").encode() for value in node.findall("value")}
        self.components = {node.get("name"): node for node in self.root.find("components")}
        self.header, self.header_required, _ = self.members(self.root.find("header"))
        self.trailer, _, _ = self.members(self.root.find("trailer"))
        self.messages = {
            node.get("msgtype").encode(): self.members(node) for node in self.root.find("messages")
        }

    def members(self, node, required=True):
        """(tags, required tags, first member by the tag of its group) below a node."""
        tags, needed, groups = set(), set(), {}
        for child in node:
            must = required and child.get("required") == "Y"
            if child.tag == "component":
                parts = self.members(self.components[child.get("name")], must)
                tags |= parts[0]
                needed |= parts[1]
                groups |= parts[2]
                continue
            tag = self.numbers[child.get("name")]
            tags.add(tag)
            if must:
                needed.add(tag)
            if child.tag == "group":
                inner = self.members(child, False)
                tags |= inner[0]
                groups |= inner[2]
                first = child[0]
                while first.tag == "component":
                    first = self.components[first.get("name")][0]
                groups[tag] = self.numbers[first.get("name")], inner[0]
        return tags, needed, groups

    def fault(self, message):
        """(reason, tag or None) of the first fault of a message, or None."""
        fields = fields_of(message)
        kind = dict(fields)[b"35"]
        if kind not in self.messages:
            return TYPE, None
        tags, required, groups = self.messages[kind]
        present = {tag for tag, _ in fields}
        for needed in (self.header_required, required):
            missing = sorted(needed - present, key=int)
            if missing:
                return MISSING, missing[0]
        outside = self.header | self.trailer
        inside_groups = set().union(*(member for _, member in groups.values()))
        seen = set()
        for tag, value in sorted(fields, key=lambda field: int(field[0])):
            if tag in seen and tag not in inside_groups:
                return TWICE, tag
            seen.add(tag)
            reason = self.fault_of_field(tag, value)
            if reason is None and tag not in outside | tags:
                reason = NOT_FOR_TYPE
            if reason is None and tag in groups:
                first = groups[tag][0]
                if sum(other == first for other, _ in fields) != int(value):
                    reason = COUNT
            if reason is not None:
                return reason, tag
        return None

    def fault_of_field(self, tag, value):
        if tag not in self.types:
            return INVALID
        if not value:
            return EMPTY
        form = FORMS.get(self.types[tag])
        if form and not form.fullmatch(value):
            return FORM
        allowed = self.values[tag]
        words = value.split(b" ") if self.types[tag].startswith("MULTIPLE") else [value]
        return RANGE if allowed and not set(words) <= allowed else None
