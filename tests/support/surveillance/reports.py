"""What the tests of reports in several tiers share."""

import csv
import io

import numpy as np
import pytest

from openoutcry.surveillance.audit.build import folder_of
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.reports import schema
from openoutcry.surveillance.reports.example import example_codes
from openoutcry.surveillance.reports.reference_data import (
    read_codes,
)
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.surveillance import audit_journals as journals

SYMBOLS = [row["symbol"] for row in journals.document()["instruments"]]


@pytest.fixture(scope="module")
def codes(audited, tmp_path_factory):
    path = tmp_path_factory.mktemp("codes") / "codes.toml"
    path.write_text(example_codes(audited))
    return read_codes(path)


@pytest.fixture(scope="module")
def trail(audited):
    return Trail(folder_of(audited), SYMBOLS)


def days(trail):
    return sorted({link.day for link in trail.links})


def validator_of(json_schema):
    """Imported here: it compiles 38 grammars (1.4 s), and each worker of pytest's collects all."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json_schema)


def read_back(table, rows):
    """Through CSV, by our reader and by a JSON Schema program that knows nothing of ours."""
    data = table.as_csv(rows)
    records = schema.read_csv(table, data)
    plain = list(csv.DictReader(io.StringIO(data.decode())))
    validator = validator_of(table.json_schema())
    for row in plain[:: max(1, len(plain) // 60)]:
        validator.validate(row)
    assert plain == records
    return records


def order(order_id, who, symbol="PLAIN", kind=CommandKind.NEW):
    row = np.zeros(1, ORDER_DTYPE)
    row["order_id"], row["participant"], row["symbol"] = order_id, who, symbol
    row["kind"], row["side"], row["order_type"] = kind, Side.BUY, OrderType.LIMIT
    row["price_ticks"], row["qty_lots"], row["time_in_force"] = 100_000, 1, TimeInForce.GTC
    return row
