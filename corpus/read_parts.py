#!/usr/bin/env python3
"""A second implementation of the readers of Keyward's formats, from docs/formats/ alone.

Run: python3 read_parts.py (needs the package `cryptography`). Opens what lies beside it: ciphertexts
of every algorithm but where it says otherwise, records, shares, a value in parts, wrapped keys; sees
that what is to be refused is refused; and says so, or ends with an error.
"""
import base64
import hashlib
import json
import pathlib
import uuid
import zlib

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, ChaCha20Poly1305
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
)

HERE = pathlib.Path(__file__).parent


def u32(number):
    return number.to_bytes(4, "big")


def hkdf(secret, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


# --- ciphertexts -------------------------------------------------------------------------------


class Refused(Exception):
    """What a reader must not open."""


def need(is_so, what):
    if not is_so:
        raise Refused(what)


def open_ciphertext(case):
    """From the text."""
    prefix, key_id, version, encoded = case["text"].split(":")
    need(prefix == "kw1", "another format")
    sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    need(sealed.hex() == case["sealed"], "other bytes")
    return open_sealed(bytes.fromhex(case["key"]), sealed, key_id, int(version), case["context"])


# Which suites a key of an algorithm opens; the second of two is for keys.
SUITES = {
    "aes-256-gcm-commit": {0x01, 0x11},
    "aes-256-gcm": {0x02, 0x12},
    "chacha20-poly1305": {0x03, 0x13},
    "aes-128-gcm": {0x06, 0x16},
    "aes-192-gcm": {0x07, 0x17},
    "xaes-256-gcm": {0x08, 0x18},
    "aes-128-gcm-siv": {0x09, 0x19},
    "aes-256-gcm-siv": {0x0A, 0x1A},
    "aes-256-gcm-siv-convergent": {0x0B, 0x1B},
    "aes-256-kwp": {0x15},
    "aes-128-kw": {0x30},
    "aes-256-kw": {0x31},
    "aes-128-kwp": {0x32},
    **{f"rsa-{bits}": {0x04, 0x14, 0x0D, 0x1D, 0x0E, 0x1E} for bits in (2048, 3072, 4096)},
}
# HPKE with X-Wing: the package seals with it and does not open.
NOT_HERE = {"x25519-ml-kem-768"}


def xaes(key, nonce):
    """C2SP XAES-256-GCM: the key of a message, and the nonce under it."""

    def block(data):
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    doubled = int.from_bytes(block(bytes(16)), "big") << 1
    if doubled >> 128:
        doubled = (doubled & (2**128 - 1)) ^ 0x87
    k1 = doubled.to_bytes(16, "big")
    parts = (b"\x00" + bytes([number]) + b"X\x00" + nonce[:12] for number in (1, 2))
    return b"".join(block(bytes(a ^ b for a, b in zip(part, k1))) for part in parts), nonce[12:]


def open_sealed(key, sealed, key_id, version, pairs):
    need(len(sealed) > 1, "the suite alone")
    suite, body = sealed[0], sealed[1:]
    header = b"keyward/msg/1" + bytes([suite]) + uuid.UUID(key_id).bytes + u32(version)
    pairs = sorted((n.encode(), v.encode()) for n, v in pairs.items())
    context = b"".join(u32(len(n)) + n + u32(len(v)) + v for n, v in pairs)
    aad = header + u32(len(context)) + context
    inside = suite & ~0x10
    if suite in (0x01, 0x11):
        salt, commitment, rest = body[:32], body[32:64], body[64:]
        derived = hkdf(key, salt, header, 64)
        need(derived[32:] == commitment, "another key")
        return AESGCM(derived[:32]).decrypt(bytes(12), rest, aad)
    if inside in (0x02, 0x06, 0x07):
        return AESGCM(key).decrypt(body[:12], body[12:], aad)
    if inside == 0x03:
        return ChaCha20Poly1305(key).decrypt(body[:12], body[12:], aad)
    if inside == 0x08:
        message_key, nonce = xaes(key, body[:24])
        return AESGCM(message_key).decrypt(nonce, body[24:], aad)
    if inside in (0x09, 0x0A):
        return AESGCMSIV(key).decrypt(body[:12], body[12:], aad)
    if inside == 0x0B:
        cipher, nonce_key = (
            hkdf(key, b"keyward/convergent/1", info, 32) for info in (b"cipher", b"nonce")
        )
        message = AESGCMSIV(cipher).decrypt(body[:12], body[12:], aad)
        mac = HMAC(nonce_key, hashes.SHA256())
        mac.update(len(aad).to_bytes(8, "big") + aad + message)
        need(mac.finalize()[:12] == body[:12], "another nonce")
        return message
    if inside in (0x04, 0x0D, 0x0E):
        digest = {4: hashes.SHA256, 13: hashes.SHA384, 14: hashes.SHA512}[inside]()
        private = serialization.load_der_private_key(key, None)
        return private.decrypt(body, padding.OAEP(padding.MGF1(digest), digest, aad))
    if suite in (0x15, 0x32):
        return aes_key_unwrap_with_padding(key, body)
    need(suite in (0x30, 0x31), "an unknown suite")
    return aes_key_unwrap(key, body)


def open_as(case, sealed):
    """As a reader that knows what the key is for."""
    suite = sealed[0]
    need(suite in SUITES[case["algorithm"]], "not a suite of this key")
    is_key = suite & 0x10 or suite in (0x32,)
    need(bool(is_key) == (case["operation"] == "wrap"), "data as a key, or a key as data")
    key = bytes.fromhex(case["key"])
    return open_sealed(key, sealed, case["key_id"], case["version"], case["context"])


ERRORS = (Refused, InvalidTag, InvalidUnwrap, InvalidSignature, ValueError, IndexError)


def refuses(what, act):
    try:
        act()
    except ERRORS:
        return
    raise AssertionError(f"{what}: opened")


# --- records -----------------------------------------------------------------------------------


def open_record(case):
    outer, core = bytes.fromhex(case["outer"]), bytes.fromhex(case["core"])
    need(core[:6] == b"KWR1\x01\x01" and core[6] in (1, 2, 3, 4) and core[7] == 0, "no record")
    need(outer[:6] == b"KWO1\x01\x01" and len(outer) == 138, "no outer header")
    name_end = 97 + core[96]
    metadata_start = name_end + 4
    header_end = metadata_start + int.from_bytes(core[name_end:metadata_start], "big")
    digest = hashlib.sha256(core[:header_end]).digest()
    need(header_end <= len(core), "half a header")
    expected = [case.get(name) for name in ("record_id", "tenant", "key_id")]
    for place, name in zip((8, 24, 40), expected):
        need(name is None or core[place : place + 16] == uuid.UUID(name).bytes, "another's record")
    for place, name in ((56, "version"), (60, "usage")):
        number = case.get(name)
        need(number is None or core[place : place + 4] == u32(number), f"another {name}")
    named = case.get("algorithm")
    need(named is None or core[97:name_end] == named.encode(), "another algorithm")

    kek, kek_name, salt = bytes.fromhex(case["kek"]), outer[6:26], outer[26:58]
    need(kek_name == uuid.UUID(case["kek_id"]).bytes + u32(case["kek_version"]), "another KEK")
    wrapping = hkdf(kek, salt, b"keyward/record-wrap/1\x01" + kek_name, 64)
    need(wrapping[32:] == outer[58:90], "another KEK")
    record_key = AESGCM(wrapping[:32]).decrypt(bytes(12), outer[90:], outer[:90] + digest)
    keys = hkdf(record_key, core[8:24], b"keyward/record/1\x01", 96)
    need(keys[:32] == core[64:96], "another record key")
    metadata = AESGCM(keys[32:64]).decrypt(
        bytes(12), core[metadata_start:header_end], core[:metadata_start]
    )
    # Only now, so that an altered record is altered, and only a genuine other one a replay.
    need(digest.hex() == case["core_digest"], "an older one")
    chunks, payload = core[header_end:], b""
    need(len(chunks) >= 16, "no last chunk")
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
    need(text.startswith("kwshare1-") and len(text) == 96 and text == text.lower(), "no share")
    data = base64.b32decode(text[9:].upper() + "=")
    need(zlib.crc32(b"kwshare1-" + data[:50]).to_bytes(4, "big") == data[50:], "mistyped")
    return data[0], data[1], data[2:18], int.from_bytes(data[18:50], "big")


def combine(case):
    data = bytes.fromhex(case["set"])
    threshold, total, set_id = data[5], data[6], data[7:23]
    points = [data[i : i + 33] for i in range(23, len(data), 33)]
    need(data[:5] == b"KWSS\x01" and len(data) == 23 + 33 * threshold, "no share set")
    label = b"keyward/share-set/1" + bytes([threshold, total]) + b"".join(points)
    need(hashlib.sha256(label).digest()[:16] == set_id, "another set's id")
    shares = [read_share(text) for text in case["shares"]]
    for share_threshold, index, share_set, value in shares:
        need((share_threshold, share_set) == (threshold, set_id), "of another set")
        expected = None
        for degree, point in enumerate(points):
            expected = add(expected, multiply(index**degree % N, decompress(point)))
        need(multiply(value, G) == expected, f"share {index} is forged")
    need(len({share[1] for share in shares}) == len(shares) >= threshold, "too few, or one twice")
    chosen, secret = shares[-threshold:], 0
    for _, i, _, value in chosen:
        weight = 1
        for _, j, _, _ in chosen:
            if i != j:
                weight = weight * j * pow(j - i, -1, N) % N
        secret = (secret + value * weight) % N
    assert multiply(secret, G) == decompress(points[0])
    return hkdf(secret.to_bytes(32, "big"), set_id, b"keyward/seal/shares/1", 32)


# --- values in parts ---------------------------------------------------------------------------


def objects_of(told):
    """The objects of a value in parts, from its headers, its KEK and its payload."""
    outer, header = bytes.fromhex(told["outer"]), bytes.fromhex(told["header"])
    digest = hashlib.sha256(header).digest()
    info = b"keyward/record-wrap/1\x01" + outer[6:26]
    wrapping = hkdf(bytes.fromhex(told["kek"]), outer[26:58], info, 64)
    record_key = AESGCM(wrapping[:32]).decrypt(bytes(12), outer[90:], outer[:90] + digest)
    keys = hkdf(record_key, header[8:24], b"keyward/record/1\x01", 96)
    payload = bytes(range(251)) * (told["payload_bytes"] // 251 + 1)
    payload = payload[: told["payload_bytes"]]
    pieces = [payload[i : i + 65536] for i in range(0, len(payload), 65536)]
    core = bytearray(header)
    for number, piece in enumerate(pieces):
        nonce = number.to_bytes(11, "big") + bytes([number == len(pieces) - 1])
        core += AESGCM(keys[64:]).encrypt(nonce, piece, digest)
    name = f"rec/{told['record'][-2:]}/{told['record']}"
    objects = {f"{name}.outer": outer}
    for number in range(0, len(core), 4 << 20):
        part = number // (4 << 20)
        objects[name + (f".part-{part:06}" if part else "")] = bytes(core[number : number + (4 << 20)])
    return objects


# --- objects in a bucket -----------------------------------------------------------------------


def read_frame(frame):
    need(frame[:4] == b"KWO1" and len(frame) >= 21 and frame[4] in (0, 1), "no object")
    if frame[4] == 0:
        return frame[5:21], frame[21:]
    need(len(frame) == 33, "not whole")
    return frame[5:21], (int.from_bytes(frame[21:29], "big"), int.from_bytes(frame[29:33], "big"))


def flat(name):
    return name.translate(str.maketrans("-./", "!-."))


# --- keys on their way -------------------------------------------------------------------------


def open_import(private, wrapped):
    """RSA-OAEP of an AES key, then AES-KWP of the container."""
    size = private.key_size // 8
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return aes_key_unwrap_with_padding(private.decrypt(wrapped[:size], oaep), wrapped[size:])


def load(name):
    return json.loads((HERE / name).read_text())


def main():
    for number, case in enumerate(load("ciphertext/1/vectors.json")["cases"]):
        assert open_ciphertext(case).hex() == case["plaintext"], f"ciphertext {number}"
    opened, refused = 0, 0
    for case in load("ciphertext/1/algorithms.json")["cases"]:
        if case["algorithm"] in NOT_HERE:
            continue
        message = open_as(case, bytes.fromhex(case["sealed"]))
        assert message.hex() == case["plaintext"], case["algorithm"]
        opened += 1
        for wrong in case["refused"]:
            sealed = bytes.fromhex(wrong["sealed"])
            refuses(f"{case['algorithm']}: {wrong['what']}", lambda: open_as(case, sealed))
            refused += 1
    print(f"ciphertexts: {opened} opened, {refused} refused")

    record = load("record/1/vectors.json")
    opened = [part.hex() for part in open_record(record)]
    assert opened == [record["metadata"], record["payload"]]
    wrong = load("record/1/refused.json")["refused"]
    for case in wrong:
        refuses(f"record: {case['what']}", lambda: open_record({**record, **case}))
    print(f"records: 1 opened, {len(wrong)} refused")

    share = load("share/1/vectors.json")
    assert combine(share).hex() == share["sealing_key"]
    assert combine({**share, "shares": share["shares"][:2]}).hex() == share["sealing_key"]
    wrong = load("share/1/refused.json")["refused"]
    for case in wrong:
        refuses(f"share: {case['what']}", lambda: combine({**share, **case}))
    print(f"shares: combined, {len(wrong)} refused")

    told = load("stream/1/vectors.json")
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in objects_of(told).items()}
    assert digests == told["objects_sha256"]
    print(f"a value in {len(digests)} objects: made again")

    told = load("object/1/vectors.json")
    for case in told["names"]:
        assert flat(case["name"]) == case["flat"]
    for case in told["whole"]:
        found = read_frame(bytes.fromhex(case["frame"]))
        assert found == (bytes.fromhex(case["write_id"]), bytes.fromhex(case["value"]))
    for case in told["in_parts"]:
        found = read_frame(bytes.fromhex(case["frame"]))[1]
        assert found == (case["size_bytes"], case["parts"])
    for case in told["refused"]:
        refuses(f"object: {case['what']}", lambda: read_frame(bytes.fromhex(case["frame"])))
    print("objects in a bucket: read")

    for key in load("import/1/vectors.json")["keys"]:
        if key["method"] != "rsa-oaep-256-aes-kwp":
            continue
        private = serialization.load_pem_private_key(key["private_pem"].encode(), None)
        for case in key["cases"]:
            container = open_import(private, bytes.fromhex(case["wrapped"]))
            assert container.hex() == case["container"], case["algorithm"]
            for wrong in case["refused"]:
                wrapped = bytes.fromhex(wrong["wrapped"])
                refuses(f"import: {wrong['what']}", lambda: open_import(private, wrapped))
    print("wrapped keys: opened")


if __name__ == "__main__":
    main()
