"""Reads a table of the audit log with Apache Arrow, and compares every value with the lines of JSON that were exported
beside it."""

import datetime
import json
import sys

import pyarrow
import pyarrow.parquet

table_path, lines_path = sys.argv[1:]
table = pyarrow.parquet.read_table(table_path)
assert table.schema.field("sequence").type == pyarrow.int64()
assert table.schema.field("time").type == pyarrow.timestamp("us", tz="UTC")
for name in ["node", "details", "address"]:
    assert table.schema.field(name).type == pyarrow.string(), table.schema

with open(lines_path) as lines:
    entries = [json.loads(line) for line in lines]
rows = table.to_pylist()
assert len(rows) == len(entries), (len(rows), len(entries))


def flat(entry):
    actor, resource = entry.pop("actor"), entry.pop("resource")
    time = datetime.datetime.fromisoformat(entry.pop("time").replace("Z", "+00:00"))
    row = {"time": time, **entry, **actor}
    row.update({f"resource_{name}": value for name, value in resource.items()})
    return row


for row, entry in zip(rows, entries):
    for name in ["details", "used", "as_logged"]:
        if row[name] is not None:
            row[name] = json.loads(row[name])
    present = {name: value for name, value in row.items() if value is not None}
    expected = flat(entry)
    assert present == expected, (present, expected)
print(len(rows))
