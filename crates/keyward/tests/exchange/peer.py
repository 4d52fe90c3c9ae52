"""The other side of an exchange, in Python's `cryptography`: makes keys, wraps and opens them,
and says which public half or which bytes they have. One JSON object a line, in and out."""

import base64
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import hashes, hpke, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, mldsa, mlkem, padding, rsa, x25519,
)

SYMMETRIC = {
    "aes-128": 16, "aes-192": 24, "hmac-sha-384": 48, "hmac-sha-512": 64,
    "aes-256-gcm-siv-convergent": 32,
}
CURVES = {
    "p256": (ec.SECP256R1, "P-256"), "p384": (ec.SECP384R1, "P-384"),
    "p521": (ec.SECP521R1, "P-521"), "secp256k1": (ec.SECP256K1, "secp256k1"),
}
LATTICES = {
    "ml-kem-768": (mlkem.MLKEM768PrivateKey, "from_seed_bytes"),
    "ml-kem-1024": (mlkem.MLKEM1024PrivateKey, "from_seed_bytes"),
    "ml-dsa-44": (mldsa.MLDSA44PrivateKey, "from_seed_bytes"),
    "ml-dsa-65": (mldsa.MLDSA65PrivateKey, "from_seed_bytes"),
    "ml-dsa-87": (mldsa.MLDSA87PrivateKey, "from_seed_bytes"),
}
DER = serialization.Encoding.DER
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
X_WING = bytes.fromhex("308204d4300d060b2b0601040183e62d81c87a038204c100")


def b64(data):
    return base64.b64encode(data).decode()


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unurl(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value):
    return url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def curve(algorithm):
    return next((CURVES[name] for name in ("secp256k1", "p256", "p384", "p521") if name in algorithm), None)


def key_bytes(algorithm):
    for name in sorted(SYMMETRIC, key=len, reverse=True):
        if algorithm.startswith(name):
            return SYMMETRIC[name]
    return 32


def new_private(algorithm):
    if algorithm.startswith("rsa-"):
        return rsa.generate_private_key(65537, int(algorithm[4:]))
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "x25519":
        return x25519.X25519PrivateKey.generate()
    if algorithm in LATTICES:
        return LATTICES[algorithm][0].generate()
    found = curve(algorithm)
    return ec.generate_private_key(found[0]()) if found else None


def spki(key):
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw_public(key):
    return key.public_key().public_bytes_raw()


def jwk_of(algorithm, key):
    if algorithm.startswith("rsa-"):
        n = key.private_numbers()
        return {
            "kty": "RSA", "n": number(n.public_numbers.n), "e": number(n.public_numbers.e),
            "d": number(n.d), "p": number(n.p), "q": number(n.q), "dp": number(n.dmp1),
            "dq": number(n.dmq1), "qi": number(n.iqmp),
        }
    if algorithm in ("ed25519", "x25519"):
        return {
            "kty": "OKP", "crv": algorithm.capitalize(),
            "x": url(raw_public(key)), "d": url(key.private_bytes_raw()),
        }
    if algorithm in LATTICES:
        return {
            "kty": "AKP", "alg": algorithm.upper(),
            "pub": url(raw_public(key)), "priv": url(key.private_bytes_raw()),
        }
    size = (key.key_size + 7) // 8
    n = key.private_numbers()
    part = lambda value: url(value.to_bytes(size, "big"))
    return {
        "kty": "EC", "crv": curve(algorithm)[1], "x": part(n.public_numbers.x),
        "y": part(n.public_numbers.y), "d": part(n.private_value),
    }


def make(algorithm):
    """A fresh key in every format that it has here."""
    key = new_private(algorithm)
    if key is None:
        data = os.urandom(key_bytes(algorithm))
        jwk = json.dumps({"kty": "oct", "k": url(data)}).encode()
        return {"formats": {"raw": b64(data), "jwk": b64(jwk)}, "bytes": b64(data)}
    formats = {
        "pkcs8": key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        "jwk": json.dumps(jwk_of(algorithm, key)).encode(),
    }
    if curve(algorithm):
        formats["raw"] = key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")
    elif not algorithm.startswith("rsa-"):
        formats["raw"] = key.private_bytes_raw()
    formats = {name: b64(data) for name, data in formats.items()}
    return {"formats": formats, "public": b64(spki(key))}


def read(algorithm, format, data):
    """The public half of a private key in a container, or the bytes of a symmetric one."""
    key = None
    if format == "pkcs8":
        key = serialization.load_der_private_key(data, None)
    elif format == "jwk":
        jwk = json.loads(data)
        if jwk["kty"] == "oct":
            return {"bytes": b64(unurl(jwk["k"]))}
        if jwk["kty"] == "RSA":
            value = {name: int.from_bytes(unurl(jwk[name]), "big") for name in jwk if name != "kty"}
            public = rsa.RSAPublicNumbers(value["e"], value["n"])
            key = rsa.RSAPrivateNumbers(
                value["p"], value["q"], value["d"], value["dp"], value["dq"], value["qi"], public
            ).private_key()
        elif jwk["kty"] == "AKP":
            assert jwk["alg"] == algorithm.upper()
            key = getattr(LATTICES[algorithm][0], LATTICES[algorithm][1])(unurl(jwk["priv"]))
        else:
            data, format = unurl(jwk["d"]), "raw"
    if format == "raw":
        if algorithm == "ed25519":
            key = ed25519.Ed25519PrivateKey.from_private_bytes(data)
        elif algorithm == "x25519":
            key = x25519.X25519PrivateKey.from_private_bytes(data)
        elif algorithm in LATTICES:
            key = getattr(LATTICES[algorithm][0], LATTICES[algorithm][1])(data)
        elif curve(algorithm):
            key = ec.derive_private_key(int.from_bytes(data, "big"), curve(algorithm)[0]())
        else:
            return {"bytes": b64(data)}
    return {"public": b64(spki(key))}


def x_wing(seed):
    """draft-connolly-cfrg-xwing-kem, section 5.2."""
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        x25519.X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def wrap(method, public, info, data):
    if method == "hpke-x-wing":
        assert public.startswith(X_WING)
        public = public[len(X_WING):]
        recipient = hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184]),
            x25519.X25519PublicKey.from_public_bytes(public[1184:]),
        )
        return SUITE.encrypt(data, recipient, info=info)
    ephemeral = os.urandom(32)
    recipient = serialization.load_der_public_key(public)
    return recipient.encrypt(ephemeral, OAEP) + keywrap.aes_key_wrap_with_padding(ephemeral, data)


RECEIVERS = {}


def receiver(method):
    if method == "hpke-x-wing":
        seed = os.urandom(32)
        kem, curve25519 = x_wing(seed)
        RECEIVERS[method] = hpke.MLKEM768X25519PrivateKey(kem, curve25519)
        public = X_WING + raw_public(kem) + raw_public(curve25519)
        return {"public": b64(public)}
    RECEIVERS[method] = rsa.generate_private_key(65537, 3072)
    return {"public": b64(spki(RECEIVERS[method]))}


def unwrap(method, info, data):
    key = RECEIVERS[method]
    if method == "hpke-x-wing":
        return SUITE.decrypt(data, key, info=info)
    head = key.key_size // 8
    return keywrap.aes_key_unwrap_with_padding(key.decrypt(data[:head], OAEP), data[head:])


def answer(ask):
    data = base64.b64decode(ask.get("data", ""))
    info = ask.get("info", "").encode()
    match ask["do"]:
        case "make":
            return make(ask["algorithm"])
        case "read":
            return read(ask["algorithm"], ask["format"], data)
        case "wrap":
            return {"data": b64(wrap(ask["method"], base64.b64decode(ask["public"]), info, data))}
        case "receiver":
            return receiver(ask["method"])
        case "unwrap":
            return {"data": b64(unwrap(ask["method"], info, data))}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
