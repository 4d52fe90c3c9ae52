#!/usr/bin/env python3
"""A second implementation of the reader of backups, from docs/formats/backup.md and the pages it names:
signature, digests, age, registry snapshot, changes, vault, and the way from a key file to the values of
secrets.

Run: python3 read_backup.py (needs the package `cryptography`). Ends with an error if anything does not
verify or open.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

import read_hierarchy as hierarchy
import read_parts as parts

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "backup/1"

# --- age v1, X25519 (age-encryption.org/v1) ------------------------------------------------------

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def identity_key(text):
    """The 32 bytes of AGE-SECRET-KEY-1… (Bech32; whoever typed it checks the checksum)."""
    data = [CHARSET.index(letter) for letter in text.lower().split("1", 1)[1]][:-6]
    number = 0
    for five in data:
        number = number << 5 | five
    return (number >> (len(data) * 5 - 256)).to_bytes(32, "big")


def open_age(sealed, secret):
    private = X25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    end = sealed.index(b"\n--- ") + 1
    lines = sealed[:end].decode().splitlines()
    parts.need(lines[0] == "age-encryption.org/v1", "no age file")
    file_key = None
    for place, line in enumerate(lines):
        words = line.split()
        if words[:2] != ["->", "X25519"]:
            continue
        share = unbase64(words[2])
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
        wrap = parts.hkdf(shared, share + public, b"age-encryption.org/v1/X25519", 32)
        try:
            file_key = ChaCha20Poly1305(wrap).decrypt(bytes(12), unbase64(lines[place + 1]), None)
        except Exception:  # another recipient's
            continue
    parts.need(file_key is not None, "not for this identity")
    mac_line, body = sealed[end:].split(b"\n", 1)
    key = parts.hkdf(file_key, b"", b"header", 32)
    mac = hmac.new(key, sealed[:end] + b"---", hashlib.sha256).digest()
    parts.need(mac == unbase64(mac_line[4:].decode()), "the header was altered")
    payload_key = parts.hkdf(file_key, body[:16], b"payload", 32)
    body, opened = body[16:], b""
    chunks = [body[i : i + 65552] for i in range(0, len(body), 65552)]
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + bytes([number == len(chunks) - 1])
        opened += ChaCha20Poly1305(payload_key).decrypt(nonce, chunk, None)
    return opened


# --- a backup ------------------------------------------------------------------------------------


def file_of(backup, name):
    return (FOLDER / "objects" / backup / f"{name}=").read_bytes()


def read_manifest(text, key):
    """The manifest, if the key that is expected signed it."""
    first, second, rest = text.split(b"\n")
    parts.need(rest == b"", "more lines than two")
    signature, by = (base64.b64decode(word) for word in second.split(b" "))
    parts.need(by == base64.b64decode(key), "signed by another key")
    public = serialization.load_der_public_key(by)
    public.verify(signature, b"keyward-backup/1\n" + first)
    manifest = json.loads(first)
    parts.need(manifest["format"] == "keyward-backup/1", "another format")
    again = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    parts.need(again.encode() == first, "another spelling")
    return manifest


def opened_parts(manifest, content, secret):
    for part in manifest["parts"]:
        if part["content"] != content:
            continue
        sealed = file_of(manifest["backup"], part["name"])
        parts.need(len(sealed) == part["sealed_bytes"], "another length")
        parts.need(hashlib.sha256(sealed).hexdigest() == part["sealed_sha256"], "altered")
        opened = open_age(sealed, secret)
        parts.need(len(opened) == part["opened_bytes"], "it opens to another length")
        yield opened, part["entries"]


def read_snapshot(text):
    """Tables by name, every digest compared (docs/formats/registry-snapshot.md)."""
    lines = text.splitlines(keepends=True)
    header, last = json.loads(lines[0]), json.loads(lines[-1])
    parts.need(header["snapshot"] == 1 and header["coverage"] == "backup", "another snapshot")
    whole = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    parts.need(last["digest"] == whole, "the registry was altered")
    tables, columns, rows, name = {}, None, [], None
    for line in lines[1:-1]:
        value = json.loads(line)
        if isinstance(value, list):
            rows.append(line)
        elif "table" in value:
            name, columns, rows = value["table"], value["columns"], []
            parts.need(columns == sorted(columns), "columns in another order")
        else:
            parts.need(value["end"] == name and value["rows"] == len(rows), "rows are missing")
            digest = hashlib.sha256(b"".join(rows)).hexdigest()
            parts.need(value["digest"] == digest, f"{name} was altered")
            tables[name] = [dict(zip(columns, json.loads(row))) for row in rows]
    parts.need(sum(map(len, tables.values())) == last["rows"], "rows are missing")
    return header, tables


def read_objects(opened, entries):
    objects, at = {}, 0
    while at < len(opened):
        length = int.from_bytes(opened[at : at + 2], "big")
        name = opened[at + 2 : at + 2 + length].decode()
        at += 2 + length
        size = int.from_bytes(opened[at : at + 4], "big")
        objects[name] = opened[at + 4 : at + 4 + size]
        at += 4 + size
    parts.need(at == len(opened) and len(objects) == entries, "objects are missing")
    return objects


def open_root(objects, key_file):
    manifest = json.loads(objects["root/current"])
    entry = next(seal for seal in manifest["seals"] if seal["kind"] == "key-file")
    seal = json.loads(objects[entry["object"]])
    fingerprint = parts.hkdf(key_file, b"keyward/fingerprint/1", b"aes-256-gcm-commit", 32).hex()
    parts.need(fingerprint == seal["key_fingerprint"], "another deployment's key file")
    root = hierarchy.unwrap_root(key_file, seal["wrapped_root"], manifest, "key-file", fingerprint)
    return root, manifest["root_key"]


def record_of(objects, record):
    """A record's bytes, whether it lies in one object or in two."""
    name = f"rec/{record[-2:]}/{record}"
    return objects.get(f"{name}.outer", b"") + objects[name]


def main():
    told = json.loads((FOLDER / "expected.json").read_text())
    secret = identity_key(told["identity"])
    key_file = bytes.fromhex(told["key_file"])
    full = told["full"][0]
    text = file_of(full, "manifest")
    manifest = read_manifest(text, told["key"])
    assert manifest["kind"] == "full" and manifest["from_revision"] == 0

    registry = b"".join(opened for opened, _ in opened_parts(manifest, "registry", secret))
    header, tables = read_snapshot(registry)
    assert header["revision"] == manifest["revision"]
    assert {name: len(rows) for name, rows in tables.items()} == manifest["tables"]
    objects = {}
    for opened, entries in opened_parts(manifest, "vault", secret):
        objects.update(read_objects(opened, entries))
    assert hashlib.sha256(objects["root/current"]).hexdigest() == manifest["root_sha256"]
    assert list(objects)[-1] == "root/current"

    # From the key file to every record that a row names.
    root, root_name = open_root(objects, key_file)
    keks = {}
    for row in tables["tenant_keks"]:
        stored = objects[f"kek/{row['tenant_id']}/{row['version']}-{row['record_id']}"]
        kek, digest, _ = hierarchy.open_object(stored, root, root_name["id"], root_name["version"])
        assert digest == base64.b64decode(row["record_digest"]).hex()
        keks[row["record_id"]] = (kek, row["version"])
    opened = 0
    named = [
        (row[column], row["record_digest"])
        for table, column in [("key_versions", "provider_key_id"), ("secret_versions", "record_id")]
        for row in tables[table]
    ]
    values = []
    for record, digest in named:
        stored = record_of(objects, record)
        kek_id = str(uuid.UUID(bytes=stored[6:22]))
        kek, version = keks[kek_id]
        payload, found, _ = hierarchy.open_object(stored, kek, kek_id, version)
        assert found == base64.b64decode(digest).hex(), "not the record that its row names"
        values.append(payload)
        opened += 1
    assert bytes([7]) * (64 * 1024) in values, "the large secret"
    print(f"full backup: signature, {len(manifest['parts'])} parts, {opened} records open")

    # What follows: changes without a gap.
    reached, changes = manifest["revision"], 0
    for segment in told["segments"]:
        following = read_manifest(file_of(segment, "segment"), told["key"])
        assert following["kind"] == "segment" and following["from_revision"] <= reached
        revision = following["from_revision"]
        for lines, entries in opened_parts(following, "changes", secret):
            lines = lines.splitlines()
            assert len(lines) == entries
            for line in lines:
                revision += 1
                assert json.loads(line)["revision"] == revision, "a gap"
                changes += 1
        for lines, entries in opened_parts(following, "vault", secret):
            read_objects(lines, entries)
        assert revision == following["revision"]
        reached = revision
    print(f"{len(told['segments'])} segments: {changes} changes without a gap")

    # What was altered is refused.
    refused = 0
    for at in range(0, len(text), 97):
        wrong = bytearray(text)
        wrong[at] ^= 1
        parts.refuses("manifest", lambda: read_manifest(bytes(wrong), told["key"]))
        refused += 1
    sealed = file_of(full, manifest["parts"][0]["name"])
    for wrong in (sealed[:-1], sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:]):
        parts.refuses("part", lambda: open_age(wrong, secret))
        refused += 1
    stranger = "MCowBQYDK2VwAyEA" + base64.b64encode(bytes(32)).decode()
    parts.refuses("another signer", lambda: read_manifest(text, stranger))
    print(f"{refused + 1} altered ones refused")


if __name__ == "__main__":
    main()
