#!/usr/bin/env python3
"""A second implementation of the readers of Keyward's formats, from docs/formats/ alone.

Run: python3 check.py (needs the package `cryptography`). Opens every vector beside it, and says
so, or ends with an error.
"""
import base64
import hashlib
import json
import pathlib
import uuid
import zlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

HERE = pathlib.Path(__file__).parent


def u32(number):
    return number.to_bytes(4, "big")


def hkdf(secret, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


# --- ciphertexts -------------------------------------------------------------------------------


def open_ciphertext(case):
    prefix, key_id, version, encoded = case["text"].split(":")
    assert prefix == "kw1"
    sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    assert sealed.hex() == case["sealed"]
    key = bytes.fromhex(case["key"])
    suite, body = sealed[0], sealed[1:]
    header = b"keyward/msg/1" + bytes([suite]) + uuid.UUID(key_id).bytes + u32(int(version))
    pairs = sorted((n.encode(), v.encode()) for n, v in case["context"].items())
    context = b"".join(u32(len(n)) + n + u32(len(v)) + v for n, v in pairs)
    aad = header + u32(len(context)) + context
    if suite in (0x01, 0x11):
        salt, commitment, rest = body[:32], body[32:64], body[64:]
        derived = hkdf(key, salt, header, 64)
        assert derived[32:] == commitment, "another key"
        return AESGCM(derived[:32]).decrypt(bytes(12), rest, aad)
    if suite in (0x02, 0x12):
        return AESGCM(key).decrypt(body[:12], body[12:], aad)
    if suite in (0x03, 0x13):
        return ChaCha20Poly1305(key).decrypt(body[:12], body[12:], aad)
    assert suite == 0x15
    return aes_key_unwrap_with_padding(key, body)


# --- records -----------------------------------------------------------------------------------


def open_record(case):
    outer, core = bytes.fromhex(case["outer"]), bytes.fromhex(case["core"])
    assert core[:6] == b"KWR1\x01\x01" and outer[:6] == b"KWO1\x01\x01" and len(outer) == 138
    name_end = 97 + core[96]
    metadata_start = name_end + 4
    header_end = metadata_start + int.from_bytes(core[name_end:metadata_start], "big")
    digest = hashlib.sha256(core[:header_end]).digest()
    assert digest.hex() == case["core_digest"]

    kek, kek_name, salt = bytes.fromhex(case["kek"]), outer[6:26], outer[26:58]
    assert kek_name == uuid.UUID(case["kek_id"]).bytes + u32(case["kek_version"])
    wrapping = hkdf(kek, salt, b"keyward/record-wrap/1\x01" + kek_name, 64)
    assert wrapping[32:] == outer[58:90], "another KEK"
    record_key = AESGCM(wrapping[:32]).decrypt(bytes(12), outer[90:], outer[:90] + digest)
    assert record_key.hex() == case["record_key"]

    keys = hkdf(record_key, core[8:24], b"keyward/record/1\x01", 96)
    assert keys[:32] == core[64:96], "another record key"
    metadata = AESGCM(keys[32:64]).decrypt(
        bytes(12), core[metadata_start:header_end], core[:metadata_start]
    )
    chunks, payload = core[header_end:], b""
    pieces = [chunks[i : i + 65552] for i in range(0, len(chunks), 65552)]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        nonce = number.to_bytes(11, "big") + bytes([last])
        payload += AESGCM(keys[64:]).decrypt(nonce, piece, digest)
    return metadata, payload


# --- shares (P-256, affine, slow and plain) ----------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point, k = add(point, point), k >> 1
    return result


def decompress(data):
    x = int.from_bytes(data[1:], "big")
    y = pow((x**3 - 3 * x + B) % P, (P + 1) // 4, P)
    return x, y if y & 1 == data[0] & 1 else P - y


def read_share(text):
    assert text.startswith("kwshare1-") and len(text) == 96
    data = base64.b32decode(text[9:].upper() + "=")
    assert zlib.crc32(b"kwshare1-" + data[:50]).to_bytes(4, "big") == data[50:]
    return data[0], data[1], data[2:18], int.from_bytes(data[18:50], "big")


def combine(case):
    data = bytes.fromhex(case["set"])
    threshold, total, set_id = data[5], data[6], data[7:23]
    points = [data[i : i + 33] for i in range(23, len(data), 33)]
    assert data[:5] == b"KWSS\x01" and len(points) == threshold
    label = b"keyward/share-set/1" + bytes([threshold, total]) + b"".join(points)
    assert hashlib.sha256(label).digest()[:16] == set_id
    shares = [read_share(text) for text in case["shares"]]
    for share_threshold, index, share_set, value in shares:
        assert (share_threshold, share_set) == (threshold, set_id)
        expected = None
        for degree, point in enumerate(points):
            expected = add(expected, multiply(index**degree % N, decompress(point)))
        assert multiply(value, G) == expected, f"share {index} is forged"
    chosen, secret = shares[-threshold:], 0
    for _, i, _, value in chosen:
        weight = 1
        for _, j, _, _ in chosen:
            if i != j:
                weight = weight * j * pow(j - i, -1, N) % N
        secret = (secret + value * weight) % N
    assert multiply(secret, G) == decompress(points[0])
    return hkdf(secret.to_bytes(32, "big"), set_id, b"keyward/seal/shares/1", 32)


def load(name):
    return json.loads((HERE / name).read_text())


for number, case in enumerate(load("ciphertext.json")["cases"]):
    assert open_ciphertext(case).hex() == case["plaintext"], f"ciphertext {number}"
record = load("record.json")
assert [part.hex() for part in open_record(record)] == [record["metadata"], record["payload"]]
share = load("share.json")
assert combine(share).hex() == share["sealing_key"]
print("ciphertexts, record and shares open")
