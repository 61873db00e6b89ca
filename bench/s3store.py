"""What a Python application does: boto3, zlib and AES-GCM, the object in memory.

Commands are lines on stdin, fields divided by tabs; each is answered by one line.
"""
import os
import sys
import time
import zlib

# Newer ones send checksums as a trailer: versitygw 1.8 then cannot parse the next
# request on the connection.
os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"

import boto3
from botocore.config import Config

try:
    from Cryptodome.Cipher import AES
except ImportError:
    from Crypto.Cipher import AES

URL, ACCESS, SECRET, CA, BUCKET = sys.argv[1:6]
KEY = os.urandom(32)
client = boto3.client(
    "s3", endpoint_url=URL, region_name="us-east-1", aws_access_key_id=ACCESS, aws_secret_access_key=SECRET,
    verify=CA, config=Config(s3={"addressing_style": "path"}))
name, data = None, None


def put():
    cipher = AES.new(KEY, AES.MODE_GCM, nonce=os.urandom(12))
    cipher.update(name.encode())
    sealed, tag = cipher.encrypt_and_digest(zlib.compress(data, 1))
    client.put_object(Bucket=BUCKET, Key=name, Body=cipher.nonce + tag + sealed, ServerSideEncryption="AES256")


def get():
    body = client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    cipher = AES.new(KEY, AES.MODE_GCM, nonce=body[:12])
    cipher.update(name.encode())
    return zlib.decompress(cipher.decrypt_and_verify(body[28:], body[12:28]))


def timed(do, n):
    began = time.perf_counter_ns()
    for _ in range(n):
        do()
    return time.perf_counter_ns() - began


print("boto3 " + boto3.__version__, flush=True)
for line in sys.stdin:
    command, *args = line.rstrip("\n").split("\t")
    if command == "prepare":
        name = args[0]
        with open(args[1], "rb") as f:
            data = f.read()
        put()
        print("same" if get() == data else "differs", flush=True)
    elif command == "put":
        print(timed(put, int(args[0])), flush=True)
    elif command == "get":
        print(timed(get, int(args[0])), flush=True)
