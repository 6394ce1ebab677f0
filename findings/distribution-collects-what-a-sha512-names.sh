#!/usr/bin/env bash
# CNCF Distribution 3.1.2 (github.com/distribution/distribution/v3): a manifest that
# names its layer by a sha512 is taken (201), and the layer is pulled by that sha512.
# Its own garbage collection then drops the layer, though the manifest has a tag: what
# the manifest names is marked by its sha512, and the blob is kept by its sha256. It has
# two links in the repository, both of which the collection finds by the sha256 and
# deletes: at the second one it ends with an error, and whatever comes after is left.
#
# Guess before the run: what a tagged manifest names is kept.
# Found: it is gone, and the exit code is 1.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir"

GOBIN=$dir/bin GOFLAGS=-mod=mod go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
export OTEL_TRACES_EXPORTER=none
start() {
  cat >config.yml <<CONFIG
version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: $dir/$1}
  delete: {enabled: true}
http: {addr: 127.0.0.1:0, secret: x}
CONFIG
  "$dir/bin/registry" serve config.yml >log 2>&1 &
  server=$!
  address=
  for _ in $(seq 300); do
    address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' log)
    [ -z "$address" ] || break
    sleep 0.1
  done
  base=http://${address:?the registry did not begin}/v2/app
}
stop() {
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}
push() {
  local location
  location=$(curl -sf -D - -o /dev/null -X POST "$base/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
  curl -sf -o /dev/null -X PUT --data-binary "@$1" -H 'Content-Type: application/octet-stream' "$location&digest=$2"
}
sha() { printf 'sha%s:%s' "$1" "$("sha$1sum" <"$2" | cut -d ' ' -f 1)"; }
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
code=0
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || code=1
}
image=application/vnd.oci.image.manifest.v1+json
printf '{}' >config
printf 'layer' >layer

start named
push config "$(sha 256 config)"
push layer "$(sha 512 layer)"
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2},"layers":[{"mediaType":"application/octet-stream","digest":"%s","size":5}]}' \
  "$image" "$(sha 256 config)" "$(sha 512 layer)" >manifest
expect "push of the manifest" "$(status -X PUT --data-binary @manifest -H "Content-Type: $image" "$base/manifests/v1")" 201
expect "layer by its sha512" "$(status "$base/blobs/$(sha 512 layer)")" 200
stop
collected=0
"$dir/bin/registry" garbage-collect config.yml >/dev/null 2>&1 || collected=$?
expect "exit code of garbage-collect" "$collected" 1
start named
expect "after it, the manifest" "$(status -H "Accept: $image" "$base/manifests/v1")" 200
after=there
[ "$(status "$base/blobs/$(sha 512 layer)")" = 200 ] || after=gone
expect "after it, the layer" "$after" gone
stop

[ "$code" = 0 ] || echo "this has changed" >&2
exit "$code"

# Seen with 3.1.2:
#   push of the manifest: 201
#   layer by its sha512: 200
#   exit code of garbage-collect: 1
#   after it, the manifest: 200
#   after it, the layer: gone
