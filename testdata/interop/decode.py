"""Opens envelopes of format version 1, written from docs/format.md alone.

Usage: decode.py FOLDER, with the vectors.json that testdata/README.md describes.
Needs cryptography and zstandard from PyPI.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


class Refused(Exception):
    pass


def must(ok, what):
    if not ok:
        raise Refused(what)


def expand(key, info, n):
    return HKDFExpand(algorithm=hashes.SHA384(), length=n, info=info).derive(key)


def open_sealed(key, sealed, aad):
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def be32(n):
    return struct.pack(">I", n)


def binding_digest(fields):
    return hashlib.sha256(b"".join(be32(len(f)) + f for f in fields)).digest()


def parse_slots(raw, count):
    slots = []
    for _ in range(count):
        n = raw[0]
        name = raw[1 : 1 + n].decode("ascii")
        rest = raw[1 + n : 1 + n + 96]
        must(len(rest) == 96 and 1 <= n <= 64, "slot")
        slots.append((name, struct.unpack(">I", rest[:4])[0], rest[4:36], rest[36:]))
        raw = raw[1 + n + 96 :]
    must(not raw, "bytes behind the slots")
    return slots


def parse_metadata(raw):
    at = 0

    def take(n):
        nonlocal at
        must(at + n <= len(raw), "metadata")
        at += n
        return raw[at - n : at]

    size = struct.unpack(">Q", take(8))[0]
    name = take(struct.unpack(">H", take(2))[0]).decode()
    pairs, last = {}, None
    for _ in range(struct.unpack(">H", take(2))[0]):
        key = take(struct.unpack(">H", take(2))[0])
        value = take(struct.unpack(">I", take(4))[0])
        must(last is None or key > last, "order of the metadata")
        pairs[key.decode()], last = value.decode(), key
    must(at == len(raw), "bytes behind the metadata")
    return size, name, pairs


def open_floe(key, aad, length, header, body):
    params, iv, tag = header[:10], header[10:42], header[42:]
    must(params == b"\0\0" + be32(length) + be32(32), "FLOE parameters")

    def kdf(k, purpose, n):
        return expand(k, params + iv + purpose + aad, n)

    must(hmac.compare_digest(tag, kdf(key, b"HEADER_TAG:", 32)), "FLOE header tag")
    message_key = kdf(key, b"MESSAGE_KEY:", 48)
    stream, i = b"", 0
    while True:
        segment, body = body[:length], body[length:]
        last = not body
        must(len(segment) >= 32 and (last or len(segment) == length), "segment length")
        must(segment[:4] == (be32(len(segment)) if last else b"\xff" * 4), "segment marker")
        segment_key = kdf(message_key, b"DEK:" + struct.pack(">Q", i >> 20 << 20), 32)
        stream += open_sealed(segment_key, segment[4:], struct.pack(">QB", i, last))
        if last:
            return stream
        i += 1


def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    unit = 1 << max(e - e.bit_length(), 0)
    return -(-n // unit) * unit


def open_zstd(stream, padded):
    must(stream[-4:] == b"\xb1\xea\x92\x8f" and stream[-5] == 0, "seek table")
    count = struct.unpack("<I", stream[-9:-5])[0]
    table = stream[-(17 + 8 * count) :]
    must(table[:8] == b"\x5e\x2a\x4d\x18" + struct.pack("<I", 8 * count + 9), "seek table")
    at, data = 0, b""
    for i in range(count):
        compressed, size = struct.unpack("<II", table[8 + 8 * i : 16 + 8 * i])
        frame = stream[at : at + compressed]
        p = zstandard.get_frame_parameters(frame)
        must(0 < size <= 262144 and p.content_size == size and p.window_size <= 262144, "frame")
        must(p.dict_id == 0 and not p.has_checksum and len(frame) == compressed <= 266240, "frame")
        data += zstandard.ZstdDecompressor(max_window_size=262144).decompress(frame, allow_extra_data=False)
        at += compressed
    gap = stream[at : len(stream) - len(table)]
    if padded:
        must(gap[:4] == b"\x50\x2a\x4d\x18" and struct.unpack("<I", gap[4:8])[0] == len(gap) - 8, "padding")
        must(not any(gap[8:]), "padding")
    else:
        must(not gap, "bytes before the seek table")
    return data


def open_envelope(b, keys, fields):
    must(b[:8] == b"hipaakit" and b[8] == 1, "magic or version")
    codec, flags, length = struct.unpack(">BHI", b[9:16])
    must(codec in (0, 1) and flags in (0, 1) and 33 <= length <= 1 << 24, "codec, flags or segment length")
    prefix, digest = b[:48], binding_digest(fields)
    header_length, metadata_length, count = struct.unpack(">IIH", b[48:58])
    must(1 <= count <= 16 and 28 <= metadata_length <= 65536, "lengths")
    signed, mac = b[: header_length - 48], b[header_length - 48 : header_length]
    sealed_metadata = b[header_length : header_length + metadata_length]
    floe_at = header_length + metadata_length
    floe_header, body = b[floe_at : floe_at + 74], b[floe_at + 74 :]

    known = [s for s in parse_slots(signed[58:], count) if s[:2] in keys]
    must(known, "no key")
    name, version, salt, wrapped = known[0]
    slot_key = expand(keys[name, version], b"hipaakit envelope v1 slot" + salt + digest, 32)
    data_key = open_sealed(slot_key, wrapped, prefix)

    header_key = expand(data_key, b"hipaakit envelope v1 header", 48)
    want = hmac.new(header_key, signed + sealed_metadata + floe_header + digest, hashlib.sha384).digest()
    must(hmac.compare_digest(mac, want), "header MAC")
    metadata_key = expand(data_key, b"hipaakit envelope v1 metadata", 32)
    size, object_name, pairs = parse_metadata(open_sealed(metadata_key, sealed_metadata, prefix))

    stream = open_floe(expand(data_key, b"hipaakit envelope v1 floe", 32), prefix, length, floe_header, body)
    if codec == 0:
        data = open_zstd(stream, flags == 1)
    elif flags == 1:
        must(len(stream) == padme(size) and not any(stream[size:]), "padding")
        data = stream[:size]
    else:
        data = stream
    must(size in (len(data), 2**64 - 1), "size")
    return data, object_name, pairs


def main(folder):
    keys = {
        (name, version): hashlib.new("sha512_256", f"{name}/{version}".encode()).digest()
        for name, version in [("default", 1), ("default", 2), ("tenant", 1)]
    }
    vectors = json.loads((folder / "vectors.json").read_text())
    for v in vectors:
        sealed = (folder / v["file"]).read_bytes()
        data, name, pairs = open_envelope(sealed, keys, [b"records", b"patients/17"])
        must(len(data) == v["size"] and hashlib.sha256(data).hexdigest() == v["sha256"], v["file"])
        must(name == v["name"] and pairs == (v["metadata"] or {}), v["file"])
        for damaged in (sealed[:-1], sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:]):
            try:
                open_envelope(damaged, keys, [b"records", b"patients/17"])
            except Exception:
                continue
            raise SystemExit(f"{v['file']}: a damaged envelope opened")
    print(f"{len(vectors)} vectors opened")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
