#!/usr/bin/env bash
# olareg 0.1.2 (github.com/olareg/olareg) gives a manifest only to who names its
# media type in the header Accept: `*/*`, which curl and many HTTP libraries send
# by themselves, `application/*` and no header at all are 404 MANIFEST_UNKNOWN. To
# a script that asks with plain curl whether an image is there, it is not.
#
# Guess before the run: all three mean any media type (RFC 9110, 12.5.1), 200.
# Found: 404 for each, 200 where the very media type is named.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir"

mkdir build && cd build
go mod init build >/dev/null 2>&1
go mod edit -require=github.com/olareg/olareg@v0.1.2
GOFLAGS=-mod=mod go build -o "$dir/olareg" github.com/olareg/olareg/cmd/olareg
cd "$dir"

# It does not say which port it was given, so that one is tried.
for port in $(shuf -i 20000-32000 -n 5); do
  ./olareg serve --store-type mem --addr 127.0.0.1 --port "$port" >log 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -sf -o /dev/null "http://127.0.0.1:$port/v2/" && break 2
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
done
base=http://127.0.0.1:$port/v2/app
type=application/vnd.oci.image.manifest.v1+json
sum=sha256:$(printf '{}' | sha256sum | cut -d ' ' -f 1)
curl -sf -o /dev/null -X POST -H 'Content-Type: application/octet-stream' --data-binary '{}' "$base/blobs/uploads/?digest=$sum"
curl -sf -o /dev/null -X PUT -H "Content-Type: $type" "$base/manifests/v1" --data-binary \
  '{"schemaVersion":2,"mediaType":"'$type'","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"'"$sum"'","size":2},"layers":[]}'

code=0
while read -r want accept; do
  got=$(curl -s -o answer -w '%{http_code}' -H "Accept:${accept:+ $accept}" "$base/manifests/v1")
  echo "Accept: ${accept:-(none)} -> $got"
  [ "$got" = "$want" ] || code=1
done <<EOF
200 $type
404
404 */*
404 application/*
200 $type;q=0.5, */*;q=0.1
EOF
curl -s "$base/manifests/v1"
echo
[ "$code" = 0 ] || echo "this has changed" >&2
exit "$code"

# Seen with 0.1.2:
#   Accept: application/vnd.oci.image.manifest.v1+json -> 200
#   Accept: (none) -> 404
#   Accept: */* -> 404
#   Accept: application/* -> 404
#   Accept: application/vnd.oci.image.manifest.v1+json;q=0.5, */*;q=0.1 -> 200
#   {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown to registry",
#   "detail":"requested media type not found, available media type is
#   application/vnd.oci.image.manifest.v1+json"}]}
