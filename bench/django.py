"""Django's file cache, with what it writes sealed by AES-256-GCM.

Started once, told what to do by lines on standard input, each answered by one line.
It measures itself: the way through the pipes is not the cache's.

  load DIR FILES          a cache in DIR, filled with the files that FILES lists, one
                          a line -> ok
  seal LIBRARY            seal and open by cryptography or PyCryptodome -> ok
  check I                 SHA-256 of what entry I holds
  read N                  N entries, at random -> nanoseconds of this process
  write N                 N entries under new keys -> nanoseconds on the wall
  spend N                 the same -> nanoseconds of this process
  folder DIR              a cache in DIR, which holds other entries already, of
                          which none is ever pushed out -> ok
  count                   the entries that the cache sees when it lists its folder
"""

import hashlib
import os
import pickle
import random
import sys
import time
import zlib

import django
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.cache.backends.filebased import FileBasedCache

try:
    from Crypto.Cipher import AES
except ImportError:  # Debian has it under another name
    from Cryptodome.Cipher import AES

MANY = 1 << 40


class PyCryptodome:
    """AES-GCM by PyCryptodome, in the form that cryptography's has."""

    def __init__(self, key):
        self.key = key

    def encrypt(self, nonce, plain, _):
        text, tag = AES.new(self.key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(plain)
        return text + tag

    def decrypt(self, nonce, sealed, _):
        cipher = AES.new(self.key, AES.MODE_GCM, nonce=nonce)
        return cipher.decrypt_and_verify(sealed[:-16], sealed[-16:])


LIBRARIES = {"cryptography": AESGCM(bytes(32)), "PyCryptodome": PyCryptodome(bytes(32))}


class SealedCache(FileBasedCache):
    """As an application seals it: compressed by Django as ever, then sealed. A nonce
    for each record; nothing binds a record to its name."""

    aead = LIBRARIES["cryptography"]

    def _write_content(self, file, timeout, value):
        file.write(pickle.dumps(self.get_backend_timeout(timeout), self.pickle_protocol))
        nonce = os.urandom(12)
        plain = zlib.compress(pickle.dumps(value, self.pickle_protocol))
        file.write(nonce + self.aead.encrypt(nonce, plain, None))

    def get(self, key, default=None, version=None):
        try:
            with open(self._key_to_file(key, version), "rb") as f:
                if not self._is_expired(f):
                    sealed = f.read()
                    plain = self.aead.decrypt(sealed[:12], sealed[12:], None)
                    return pickle.loads(zlib.decompress(plain))
        except FileNotFoundError:
            pass
        return default


class FilledCache(SealedCache):
    """Does not list its folder while it is filled: 65,536 entries would take an hour."""

    def _cull(self):
        pass


def key(i):
    return f"patients/{i:08d}/observations"


class Bench:
    def load(self, folder, files):
        self.records = []
        filled = FilledCache(folder, {"timeout": None})
        with open(files) as f:
            names = f.read().splitlines()
        for i, name in enumerate(names):
            with open(name, "rb") as f:
                record = f.read()
            filled.set(key(i), record)
            if i < 64:
                self.records.append(record)
        self.cache = SealedCache(folder, {"timeout": None})
        self.order = list(range(len(names)))
        random.Random(1).shuffle(self.order)
        self.at = 0
        self.last = len(names)
        return "ok"

    def folder(self, folder):
        self.cache = SealedCache(folder, {"timeout": None, "max_entries": MANY})
        self.records = [os.urandom(300)]
        self.last = 0
        return "ok"

    def count(self):
        return len(self.cache._list_cache_files())

    def seal(self, library):
        SealedCache.aead = LIBRARIES[library]
        return "ok"

    def check(self, i):
        return hashlib.sha256(self.cache.get(key(int(i)))).hexdigest()

    def read(self, n):
        keys = [key(self.order[(self.at + i) % len(self.order)]) for i in range(int(n))]
        self.at = (self.at + int(n)) % len(self.order)
        began = time.process_time_ns()
        for k in keys:
            if self.cache.get(k) is None:
                raise LookupError(k)
        return time.process_time_ns() - began

    def write(self, n, clock=time.perf_counter_ns):
        keys = [key(self.last + i) for i in range(int(n))]
        self.last += int(n)
        began = clock()
        for i, k in enumerate(keys):
            self.cache.set(k, self.records[i % len(self.records)])
        return clock() - began

    def spend(self, n):
        return self.write(n, time.process_time_ns)


settings.configure()
bench = Bench()
print(django.__version__, flush=True)
for line in sys.stdin:
    command, *arguments = line.strip().split("\t")
    print(getattr(bench, command)(*arguments), flush=True)
