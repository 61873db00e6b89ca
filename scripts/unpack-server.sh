#!/usr/bin/env bash
# Unpacks a database server and its libraries into .tools/NAME/root, as a suite of Debian's or
# Ubuntu's has them:
#
#   scripts/unpack-server.sh mysql sid mysql-server-core
#
# Beside it comes what tests start: of MySQL a data folder that they copy, of MariaDB the
# command mariadbd. Nothing is installed and no file of the system is changed: apt works on
# lists and a status of its own. Where the packages cannot be had, one line says so.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 suite=$2 package=$3
to=$PWD/.tools/$name
[ -e "$to/ready" ] && exit

cannot() {
	echo "$name is not to be had here ($1): its tests will be skipped"
	exit 0
}
command -v apt-get >/dev/null && command -v dpkg >/dev/null || cannot "no apt-get"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || cannot "no $keyring"
# The mirror that this machine uses, if it uses one.
mirror=$({ grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true; } | sort -u | sed -n 1p | tr -d ' ')
mirror=${mirror:-http://deb.debian.org/debian}

rm -rf "$to"
part=$to.part
rm -rf "$part"

# fetch downloads packages and what they need, of the sources in its standard input.
fetch() {
	rm -rf "$part"/{lists,cache,debs}
	mkdir -p "$part"/{lists/partial,cache,debs/partial,root}
	: >"$part/status"
	cat >"$part/sources.list"
	local apt=(apt-get -qq -o Dir::Etc::SourceList="$part/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Dir::State::Lists="$part/lists" -o Dir::State::status="$part/status" -o Dir::Cache="$part/cache"
		-o Dir::Cache::archives="$part/debs" -o APT::Install-Recommends=false -o Debug::NoLocking=1)
	[ "$(id -u)" = 0 ] && apt+=(-o APT::Sandbox::User=root)
	"${apt[@]}" update >"$part/log" 2>&1 || cannot "no list of packages: $(tail -n 1 "$part/log")"
	"${apt[@]}" -y --download-only install "$@" >>"$part/log" 2>&1 || cannot "no packages: $(tail -n 1 "$part/log")"
}

case $suite in
sid | trixie | bullseye) ;;
*) # Ubuntu's: who signs them, Debian knows.
	fetch ubuntu-keyring <<<"deb [signed-by=$keyring] $mirror stable main"
	dpkg -x "$part"/debs/ubuntu-keyring*.deb "$part/keyring"
	keyring=$part/keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg
	mirror=http://archive.ubuntu.com/ubuntu
	;;
esac
fetch "$package" <<<"deb [signed-by=$keyring] $mirror $suite main"
for deb in "$part"/debs/*.deb; do
	case ${deb##*/} in
	perl* | libperl* | gcc-*) ;; # for its scripts, which nobody runs
	*) dpkg -x "$deb" "$part/root" ;;
	esac
done

# By its own loader: the machine's C library may be an older one.
folders=$(find "$part/root" -type d -path '*/lib/*-linux-gnu*' -prune | tr '\n' ':')
loader=$(find "$part/root" -name 'ld-linux-*.so.*' | sed -n 1p)
share=$(find "$part/root/usr/share" -type d -name english -prune | sed -n 1p)
share=${share%/english}
if [ -e "$part/root/usr/sbin/mariadbd" ]; then
	# The first argument is --defaults-file or --no-defaults, which must stay the first.
	printf '#!/bin/sh\nfirst=$1\nshift\nexec %q --library-path %q %q "$first" --basedir=%q --lc-messages-dir=%q --character-sets-dir=%q --plugin-dir=%q "$@"\n' \
		"${loader/$part/$to}" "${folders//$part/$to}" "$to/root/usr/sbin/mariadbd" "$to/root/usr" "${share/$part/$to}" "${share/$part/$to}/charsets" \
		"$to/root/usr/lib/mysql/plugin" >"$part/mariadbd"
	chmod +x "$part/mariadbd"
else
	user=()
	[ "$(id -u)" = 0 ] && user=(--user=root)
	"$loader" --library-path "$folders$part/root/usr/lib/mysql/private" "$part/root/usr/sbin/mysqld" --no-defaults "${user[@]}" \
		--initialize-insecure --datadir="$part/seed" --basedir="$part/root/usr" --lc-messages-dir="$share" \
		--character-sets-dir="$share/charsets" --innodb-redo-log-capacity=16M --log-error="$part/log.err" ||
		cannot "it does not run: $(tail -n 1 "$part/log.err")"
	rm -rf "$part/seed/auto.cnf" "$part"/seed/binlog.*
fi
rm -rf "$part"/{lists,cache,debs,keyring,status,sources.list,log,log.err}
: >"$part/ready"
chmod -R go+rX "$part" # the servers run as another user where tests run as root
mv "$part" "$to"
