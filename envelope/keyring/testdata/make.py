"""Writes the golden documents anew: python3 make.py. Needs "cryptography" 44 or later."""

import base64
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

RAW = b"\x42" * 32
PASSPHRASE = b"correct horse battery staple"
CREATED, DESTROYED = "2026-01-02T03:04:05Z", "2026-02-03T04:05:06Z"


def raw():
    return b"\x01", RAW


def argon2id():
    salt = os.urandom(16)
    key = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 << 10).derive(PASSPHRASE)
    return b"\x02" + salt + struct.pack(">IIB", 3, 64 << 10, 4), key


def pbkdf2():
    salt = os.urandom(16)
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, 600_000).derive(PASSPHRASE)
    return b"\x03" + salt + struct.pack(">I", 600_000), key


def wrap(head, under, name, version, key):
    aad = b"hipaakit keyring v1" + bytes([len(name)]) + name.encode() + struct.pack(">I", version)
    nonce = os.urandom(12)
    return base64.b64encode(head + nonce + AESGCM(under).encrypt(nonce, key, aad)).decode()


def entry(head, under, name, version, destroyed):
    e = {"name": name, "version": version, "created": CREATED}
    if destroyed:
        return e | {"destroyed": DESTROYED}
    key = hashlib.new("sha512_256", f"{name}/{version}".encode()).digest()
    return e | {"wrapped": wrap(head, under, name, version, key)}


def document(protector, entries):
    head, under = protector()
    return {
        "format": "hipaakit keyring",
        "version": 1,
        "check": wrap(head, under, "check", 0, os.urandom(32)),
        "keys": [entry(head, under, *e) for e in entries],
    }


FULL = [("default", 1, False), ("default", 2, False), ("tenant-7", 1, True), ("tenant-7", 2, False), ("tenant-8", 1, True)]

for name, protector, entries in [
    ("raw", raw, FULL),
    ("argon2id", argon2id, FULL),
    ("pbkdf2", pbkdf2, FULL),
    ("empty", raw, [("default", 1, True)]),
]:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".json"), "w") as f:
        json.dump(document(protector, entries), f, indent=2)
        f.write("\n")
