#!/usr/bin/env python3
"""A second implementation of the way from a key file, shares, a passphrase or a key service to a record's payload, from
docs/formats/hierarchy.md and the pages it names.

Run: python3 read_hierarchy.py (needs the package `cryptography`). Ends with an error if anything
does not open. The readers of the parts are those of read_parts.py.
"""
import base64
import hashlib
import json
import pathlib
import uuid

import read_parts as parts

HERE = pathlib.Path(__file__).parent
VECTORS = json.loads((HERE / "hierarchy/1/vectors.json").read_text())


def unwrap_root(sealing_key, wrapped, manifest, kind, seal_id):
    """The root key: one message of the committing construction, bound to what it is."""
    sealed = base64.b64decode(wrapped)
    root = manifest["root_key"]
    text = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return parts.open_ciphertext(
        {
            "text": f"kw1:{root['id']}:{root['version']}:{text}",
            "sealed": sealed.hex(),
            "key": sealing_key.hex(),
            "context": {
                "purpose": "keyward/root-key/1",
                "deployment": manifest["deployment"],
                "seal": kind,
                "seal-id": seal_id,
            },
        }
    )


def read_manifest(objects):
    manifest = json.loads(bytes.fromhex(objects["root/current"]))
    assert manifest["format"] == 1
    assert manifest["deployment"] == VECTORS["deployment"]
    entry = manifest["seals"][0]
    seal = json.loads(bytes.fromhex(objects[entry["object"]]))
    assert seal["format"] == 1 and seal["kind"] == entry["kind"]
    return manifest, seal


def root_from_key_file(objects):
    manifest, seal = read_manifest(objects)
    assert seal["kind"] == "key-file"
    key = bytes.fromhex(VECTORS["key_file"])
    fingerprint = parts.hkdf(key, b"keyward/fingerprint/1", b"aes-256-gcm-commit", 32).hex()
    assert fingerprint == seal["key_fingerprint"], "another deployment's key file"
    root = unwrap_root(key, seal["wrapped_root"], manifest, "key-file", fingerprint)
    return root, manifest["root_key"]


def root_from_shares(objects, shares):
    manifest, seal = read_manifest(objects)
    assert seal["kind"] == "shares"
    share_set = base64.b64decode(seal["share_set"])
    key = parts.combine({"set": share_set.hex(), "shares": shares})
    return unwrap_root(key, seal["wrapped_root"], manifest, "shares", share_set[7:23].hex())


def open_object(stored, kek, kek_id, kek_version):
    """A record that is one object: outer header, then core."""
    outer, core = stored[:138], stored[138:]
    name_end = 97 + core[96]
    metadata_length = int.from_bytes(core[name_end : name_end + 4], "big")
    digest = hashlib.sha256(core[: name_end + 4 + metadata_length]).hexdigest()
    _, payload = parts.open_record(
        {
            "outer": outer.hex(),
            "core": core.hex(),
            "core_digest": digest,
            "kek": kek.hex(),
            "kek_id": kek_id,
            "kek_version": kek_version,
        }
    )
    return payload, digest, core


objects = VECTORS["with_key_file"]
root, root_name = root_from_key_file(objects)
row = VECTORS["tenant_kek"]
name = f"kek/{row['tenant']}/{row['version']}-{row['record']}"
stored = bytes.fromhex(objects[name])
kek, digest, core = open_object(stored, root, root_name["id"], root_name["version"])
assert digest == row["record_digest"], "not the key that the registry names"
assert core[6] == 2 and core[24:40] == uuid.UUID(row["tenant"]).bytes

record = VECTORS["record"]
stored = bytes.fromhex(objects[f"rec/{record[-2:]}/{record}"])
payload, digest, core = open_object(stored, kek, row["record"], row["version"])
assert digest == VECTORS["record_digest"] and payload.hex() == VECTORS["payload"]
assert core[8:24] == uuid.UUID(record).bytes and core[24:40] == uuid.UUID(row["tenant"]).bytes

shares = VECTORS["shares"]
roots = [root_from_shares(VECTORS["with_shares"], [a, b]) for a, b in zip(shares, shares[1:])]
assert len(set(roots)) == 1 and len(roots[0]) == 32


def read_several(name):
    """Several seals in the midst of a rotation of the root key: each opens the key in force, which
    opens the one before, which the tenant's key is still under."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    vectors = json.loads((HERE / "hierarchy/2" / name).read_text())
    stored = {name: bytes.fromhex(value) for name, value in vectors["objects"].items()}
    manifest = json.loads(stored["root/current"])
    assert manifest["format"] == 2 and "next" not in manifest
    current = manifest["root_key"]
    found = set()
    for entry in manifest["seals"]:
        seal = json.loads(stored[entry["object"]])
        if "sha256" in entry:
            assert entry["sha256"] == hashlib.sha256(stored[entry["object"]]).hexdigest()
        if entry["kind"] == "key-file":
            key, seal_id = bytes.fromhex(vectors["key_file"]), seal["key_fingerprint"]
        elif entry["kind"] == "passphrase":
            cost = seal["argon2id"]
            derivation = Argon2id(
                salt=base64.b64decode(cost["salt"]),
                length=32,
                iterations=cost["passes"],
                lanes=cost["lanes"],
                memory_cost=cost["memory_kib"],
            )
            key, seal_id = derivation.derive(vectors["passphrase"].encode()), seal["seal"]
        else:
            wrapped = base64.b64decode(seal["wrapped_key"]).hex()
            key, seal_id = bytes.fromhex(vectors["unwrapped"][wrapped]), seal["seal"]
        found.add(unwrap_root(key, seal["wrapped_root"], manifest, entry["kind"], seal_id))
    assert len(found) == 1, "each seal opens the same root key"
    in_force = found.pop()
    previous = manifest["previous"]
    as_before = {**manifest, "root_key": previous["root_key"]}
    before = unwrap_root(in_force, previous["under_current"], as_before, "root-key", current["id"])
    again = unwrap_root(
        before, previous["current_under_it"], manifest, "root-key", previous["root_key"]["id"]
    )
    assert again == in_force
    row, name = vectors["tenant_kek"], previous["root_key"]
    tenants = stored[f"kek/{row['tenant']}/{row['version']}-{row['record']}"]
    opened, digest, _ = open_object(tenants, before, name["id"], name["version"])
    assert digest == row["record_digest"]
    record = vectors["record"]
    record = stored[f"rec/{record[-2:]}/{record}"]
    payload, digest, _ = open_object(record, opened, row["record"], row["version"])
    assert digest == vectors["record_digest"] and payload.hex() == vectors["payload"]
    return in_force


# The first was written before manifests had the digests of their seals.
several = read_several("vectors.json")
assert several == read_several("with-digests.json")
print("key file, shares, passphrase, key service, rotated root key, tenant key and record open")
if __name__ == "__main__":
    for what, value in [("root key", root), ("tenant key", kek), ("root key of the shares", roots[0]), ("root key of several seals", several)]:
        print(f"{what:<24}{value.hex()}")
