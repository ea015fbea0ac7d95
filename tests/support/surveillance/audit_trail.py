"""What the tests of audit trail in several tiers share."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet

from openoutcry.surveillance.audit.build import files_of, folder_of
from openoutcry.surveillance.audit.chain import NO_HASH, hash_file, read_chain, write_chain
from openoutcry.surveillance.audit.trail import Trail


def tree(folder):
    """Every file below a folder, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows_of(home):
    """All rows of a trail in the sequence's order."""
    trail = Trail(folder_of(home))
    days = sorted({link.day for link in trail.links})
    return pa.concat_tables([table for day in days for table in trail.day(day)])


def forge(folder, number, **facts):
    """Somebody who may write everything makes the chain agree with what he has changed: of a part
    the prices, or what its line says."""
    links = read_chain(folder)
    path = files_of(folder, links[number])[0]
    if not facts:
        table = pyarrow.parquet.read_table(path, partitioning=None)
        prices = pa.array(table["price_ticks"].to_numpy() + 1)
        column = table.schema.get_field_index("price_ticks")
        pyarrow.parquet.write_table(table.set_column(column, "price_ticks", prices), path)
        facts = {"parquet": hash_file(path)}
    forged = []
    for at, link in enumerate(links):
        previous = forged[-1].hash if forged else NO_HASH
        changed = facts if at == number else {}
        forged.append(replace(link, previous=previous, **changed).sealed())
    write_chain(folder, forged)
