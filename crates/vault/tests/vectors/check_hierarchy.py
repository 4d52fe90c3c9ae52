#!/usr/bin/env python3
"""A second implementation of the way from a key file, or from shares, to a record's payload, from
docs/formats/hierarchy.md and the pages it names.

Run: python3 check_hierarchy.py (needs the package `cryptography`). Ends with an error if anything
does not open. The readers of the parts are those of crates/crypto/tests/vectors/check.py.
"""
import base64
import hashlib
import importlib.util
import json
import pathlib
import uuid

HERE = pathlib.Path(__file__).parent
PARTS = HERE.parents[3] / "crates/crypto/tests/vectors/check.py"
spec = importlib.util.spec_from_file_location("parts", PARTS)
parts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parts)

VECTORS = json.loads((HERE / "hierarchy.json").read_text())


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
    wrapping = parts.hkdf(kek, outer[26:58], b"keyward/record-wrap/1\x01" + outer[6:26], 64)
    bound = outer[:90] + bytes.fromhex(digest)
    record_key = parts.AESGCM(wrapping[:32]).decrypt(bytes(12), outer[90:], bound)
    _, payload = parts.open_record(
        {
            "outer": outer.hex(),
            "core": core.hex(),
            "core_digest": digest,
            "kek": kek.hex(),
            "kek_id": kek_id,
            "kek_version": kek_version,
            "record_key": record_key.hex(),
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
print("key file, shares, tenant key and record open")
if __name__ == "__main__":
    for what, value in [("root key", root), ("tenant key", kek), ("root key of the shares", roots[0])]:
        print(f"{what:<24}{value.hex()}")
