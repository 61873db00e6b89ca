#!/usr/bin/env bash
# Installs what the full test suite needs and this machine lacks: a C compiler (for
# the race detector), git, Python, MariaDB, haproxy, Chromium and the zstd command from
# Debian's packages; versitygw, the linters, five Python packages, moto and MySQL's
# servers in .tools. Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/.tools/bin
mkdir -p "$bin"

packages=()
[ -x /usr/sbin/mariadbd ] || command -v mariadbd >/dev/null || packages+=(mariadb-server)
[ -x /usr/sbin/haproxy ] || command -v haproxy >/dev/null || packages+=(haproxy)
command -v chromium >/dev/null || packages+=(chromium)
command -v zstd >/dev/null || packages+=(zstd)
command -v git >/dev/null || packages+=(git)
command -v gcc >/dev/null || packages+=(gcc libc6-dev)
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3 python3-pip)
if [ ${#packages[@]} -gt 0 ]; then
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	if ! command -v apt-get >/dev/null || { [ -n "$as_root" ] && ! command -v sudo >/dev/null; }; then
		echo "install these and try again: ${packages[*]}" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	$as_root apt-get update -qq
	$as_root apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
fi

scripts/unpack-server.sh mysql sid mysql-server-core

# For the decoder in testdata/interop, and for the peers in bench: Django's cache, and
# what stores objects by boto3.
python=$PWD/.tools/python
if ! PYTHONPATH=$python python3 -c 'import cryptography, zstandard, django, Crypto, boto3' 2>/dev/null; then
	python3 -m pip install -q --root-user-action=ignore --upgrade --target "$python" cryptography zstandard django pycryptodome boto3
fi

# AWS's control APIs and KMS. In a folder of its own: its hundred dependencies must
# not become those of the decoder. Only a whole installation gets its name.
moto=$PWD/.tools/moto
if ! PYTHONPATH=$moto python3 -c '
import sys, moto, moto.server, moto.kms.responses
sys.exit(moto.__version__ != "5.2.1" or not moto.__file__.startswith(sys.argv[1]))' "$moto/" 2>/dev/null; then
	rm -rf "$moto" "$moto.part"
	python3 -m pip install -q --root-user-action=ignore --target "$moto.part" 'moto[server]==5.2.1'
	mv "$moto.part" "$moto"
fi

# A tool is installed once for each version: the stamp names it.
tool() { # name, package, version
	local stamp=$bin/.$1@$3
	[ -e "$stamp" ] && return
	GOBIN=$bin GOFLAGS=-mod=mod go install "$2@$3"
	touch "$stamp"
}
cd "$(mktemp -d)" # outside of every module
trap 'rm -rf "$PWD"' EXIT
tool versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
tool staticcheck honnef.co/go/tools/cmd/staticcheck v0.8.2
tool govulncheck golang.org/x/vuln/cmd/govulncheck v1.9.0
