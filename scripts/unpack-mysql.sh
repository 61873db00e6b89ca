#!/usr/bin/env bash
# Unpacks MySQL's server and its libraries from Debian's suite sid (elsewhere there is
# only MariaDB) into .tools/mysql/root, and makes a data folder beside it that tests
# copy. Nothing is installed and no file of the system is changed: apt works on lists
# and a status of its own. Where the packages cannot be had, one line says so.
set -euo pipefail
cd "$(dirname "$0")/.."
to=$PWD/.tools/mysql
[ -e "$to/seed/mysql.ibd" ] && exit

cannot() {
	echo "MySQL's servers are not to be had here ($1): their tests will be skipped"
	exit 0
}
command -v apt-get >/dev/null && command -v dpkg >/dev/null || cannot "no apt-get"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || cannot "no $keyring"
# The mirror that this machine uses, if it uses one.
mirror=$({ grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true; } | sort -u | sed -n 1p | tr -d ' ')

rm -rf "$to"
part=$to.part
rm -rf "$part"
mkdir -p "$part"/{lists/partial,cache,debs/partial,root}
: >"$part/status"
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} sid main" >"$part/sid.list"
apt=(apt-get -qq -o Dir::Etc::SourceList="$part/sid.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
	-o Dir::State::Lists="$part/lists" -o Dir::State::status="$part/status" -o Dir::Cache="$part/cache"
	-o Dir::Cache::archives="$part/debs" -o APT::Install-Recommends=false -o Debug::NoLocking=1)
[ "$(id -u)" = 0 ] && apt+=(-o APT::Sandbox::User=root)
"${apt[@]}" update >"$part/log" 2>&1 || cannot "no list of packages: $(tail -n 1 "$part/log")"
"${apt[@]}" -y --download-only install mysql-server-core >>"$part/log" 2>&1 || cannot "no packages: $(tail -n 1 "$part/log")"
for deb in "$part"/debs/*.deb; do
	case ${deb##*/} in
	perl* | libperl* | gcc-*) ;; # for its scripts, which nobody runs
	*) dpkg -x "$deb" "$part/root" ;;
	esac
done
# By its own loader: the machine's C library is an older one.
set -- "$part"/root/usr/lib/*-linux-gnu*/ld-linux-*.so.*
libraries=$(dirname "$1")
user=()
[ "$(id -u)" = 0 ] && user=(--user=root)
"$1" --library-path "$libraries:$part/root/usr/lib/mysql/private" "$part/root/usr/sbin/mysqld" --no-defaults "${user[@]}" \
	--initialize-insecure --datadir="$part/seed" --basedir="$part/root/usr" --lc-messages-dir="$part/root/usr/share/mysql" \
	--character-sets-dir="$part/root/usr/share/mysql/charsets" --innodb-redo-log-capacity=16M --log-error="$part/log.err" ||
	cannot "it does not run: $(tail -n 1 "$part/log.err")"
rm -rf "$part/seed/auto.cnf" "$part"/seed/binlog.* "$part"/{lists,cache,debs,status,sid.list,log,log.err}
chmod -R go+rX "$part" # the servers run as another user where tests run as root
mv "$part" "$to"
