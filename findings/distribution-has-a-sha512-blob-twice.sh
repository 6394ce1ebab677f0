#!/usr/bin/env bash
# CNCF Distribution 3.1.2 (github.com/distribution/distribution/v3): a blob that is
# pushed by its sha512 is there by its sha256 too, and its 201 names that one alone.
# The two are deleted apart: after a DELETE by sha512 (202) everybody still gets the
# blob by its sha256, and after a DELETE by sha256 (202) a HEAD by sha512 is answered by
# 500, not 404. So who deletes what has leaked by the digest that it was pushed by has
# deleted nothing, and a client that looks whether it has to upload fails.
#
# Guess before the run: it is one blob with two names, which a DELETE by either takes
# away; a HEAD is 404 then.
# Found: as above.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir"

GOBIN=$dir/bin GOFLAGS=-mod=mod go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
cat >config.yml <<CONFIG
version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: $dir/storage}
  delete: {enabled: true}
http: {addr: 127.0.0.1:0, secret: x}
CONFIG
OTEL_TRACES_EXPORTER=none "$dir/bin/registry" serve config.yml >log 2>&1 &
server=$!
for _ in $(seq 300); do
  address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' log)
  [ -z "$address" ] || break
  sleep 0.1
done
base=http://${address:?the registry did not begin}/v2/app

push() {
  local location
  location=$(curl -sf -D - -o /dev/null -X POST "$base/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
  curl -sf -D - -o /dev/null -X PUT --data-binary "@$1" -H 'Content-Type: application/octet-stream' "$location&digest=$2" |
    tr -d '\r' | sed -n 's/^Docker-Content-Digest: \(sha[0-9]*\):.*/\1/p'
}
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

code=0
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || code=1
}
for first in sha512 sha256; do
  echo "content $first" >blob
  by512=sha512:$(sha512sum <blob | cut -d ' ' -f 1)
  by256=sha256:$(sha256sum <blob | cut -d ' ' -f 1)
  expect "pushed by sha512, told" "$(push blob "$by512")" sha256
  expect "GET by sha512" "$(status "$base/blobs/$by512")" 200
  if [ "$first" = sha512 ]; then
    expect "DELETE by sha512" "$(status -X DELETE "$base/blobs/$by512")" 202
    expect "GET by sha256" "$(status "$base/blobs/$by256")" 200
  else
    expect "DELETE by sha256" "$(status -X DELETE "$base/blobs/$by256")" 202
    expect "HEAD by sha512" "$(status -I "$base/blobs/$by512")" 500
  fi
done
[ "$code" = 0 ] || echo "this has changed" >&2
exit "$code"

# Seen with 3.1.2:
#   pushed by sha512, told: sha256
#   GET by sha512: 200
#   DELETE by sha512: 202
#   GET by sha256: 200
#   pushed by sha512, told: sha256
#   GET by sha512: 200
#   DELETE by sha256: 202
#   HEAD by sha512: 500
