#!/bin/sh
# Builds FerretDB, which speaks MongoDB's protocol, into the folder that is given; with Go 1.22 or later.
set -eu
module=github.com/FerretDB/FerretDB@v1.24.2
mkdir -p "$1"
target="$(cd "$1" && pwd)"
source="$(mktemp -d)"
trap 'rm -rf "$source"' EXIT
# Its version is in a file that is none of the module's, without which it does not start.
cp -R "$(go mod download -json "$module" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')/." "$source"
chmod -R u+w "$source"
cd "$source"
echo "${module##*@}" >build/version/version.txt
go build -mod=mod -tags ferretdb_sqlite -o "$target/ferretdb" ./cmd/ferretdb
