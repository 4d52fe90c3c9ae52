"""Holds entries of the audit log, a line of JSON each as `audit export` writes them, against their JSON Schema, with a
validator that is not ours; and sees that it refuses them with a field more or one that must be there less."""

import json
import sys

import jsonschema_rs

schema_path, entries_path = sys.argv[1:]
with open(schema_path) as file:
    schema = json.load(file)
as_logged = jsonschema_rs.Draft202012Validator(schema)
registry = jsonschema_rs.Registry([(schema["$id"], schema)])
exported = jsonschema_rs.Draft202012Validator(
    {"$ref": schema["$id"] + "#exported"}, registry=registry
)
jsonschema_rs.meta.validate(schema)
parts = {
    "actor": schema["$defs"]["actor"],
    "resource": schema["$defs"]["resource"],
}


def must(holds, what, entry):
    if not holds:
        sys.exit(f"{what}: {json.dumps(entry)}")


actions, tenants, entries = set(), set(), 0
with open(entries_path) as lines:
    for line in lines:
        entry = json.loads(line)
        for error in exported.iter_errors(entry):
            sys.exit(f"{error.message}: {line}")
        must(not as_logged.is_valid(entry), "a sequence number is in no leaf", entry)
        del entry["sequence"]
        entry.pop("as_logged", None)
        must(as_logged.is_valid(entry), "not valid as it was logged", entry)
        must(not exported.is_valid(entry), "exported without a sequence number", entry)
        must(not as_logged.is_valid({**entry, "extra": 1}), "a field more", entry)
        for name in schema["$defs"]["entry"]["required"]:
            less = {key: value for key, value in entry.items() if key != name}
            must(not as_logged.is_valid(less), f"without {name}", entry)
        for name, part in parts.items():
            more = {**entry, name: {**entry[name], "extra": 1}}
            must(not as_logged.is_valid(more), f"a field more in {name}", entry)
            for inner in part["required"]:
                less = {key: value for key, value in entry[name].items() if key != inner}
                must(not as_logged.is_valid({**entry, name: less}), f"{name} without {inner}", entry)
        actions.add(entry["action"])
        tenants.add(entry.get("tenant", "system"))
        entries += 1
json.dump({"entries": entries, "actions": sorted(actions), "tenants": len(tenants)}, sys.stdout)
