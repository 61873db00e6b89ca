#!/usr/bin/env bash
# gofmt, go vet and staticcheck over every module; govulncheck over the one that
# applications import.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.tools/bin:$PATH

unformatted=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
if [ -n "$unformatted" ]; then
	echo "gofmt would change: $unformatted" >&2
	exit 1
fi
for module in . examples bench s3store/s3test/embedded; do
	echo "lint $module"
	go -C $module vet ./...
	(cd $module && staticcheck ./...)
done

# govulncheck ends with 3 when it found something; where its data cannot be
# reached it ends otherwise, and says so.
set +e
found=$(govulncheck ./... 2>&1)
code=$?
set -e
case $code in
0) echo "govulncheck: nothing found" ;;
3) echo "$found" >&2; exit 1 ;;
*) echo "govulncheck could not run (is its database in reach?): $(tail -n 1 <<<"$found")" ;;
esac
