#!/usr/bin/env bash
# crane 0.22.1 (github.com/google/go-containerregistry): what changes a manifest
# loses its subject, without a word and with exit code 0, and keeps its artifact
# type. A signature or SBOM that is given one more annotation with
# `crane mutate`, or a layer with `crane append`, speaks about nothing any more:
# no referrers listing has it. So it is with `crane index filter` of an index.
# regctl 0.11.7 (`regctl image mod --annotation`) keeps the subject.
#
# Guess before the run: subject and artifact type are both kept.
# Found: after mutate, append and index filter the artifact type is there and
# the subject is not.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir"

GOBIN=$dir/bin GOFLAGS=-mod=mod go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
crane() { "$dir/bin/crane" --insecure "$@" 2>>"$dir/log"; }

"$dir/bin/crane" registry serve --address 127.0.0.1:0 >serve 2>&1 &
server=$!
for _ in $(seq 300); do
  port=$(sed -n 's/.*serving on port //p' serve)
  [ -z "$port" ] || break
  sleep 0.1
done
host=127.0.0.1:${port:?crane registry serve did not begin}
base=http://$host/v2/app
digest() { printf 'sha256:%s' "$(sha256sum <"$1" | cut -d ' ' -f 1)"; }
blob() { curl -sf -o /dev/null -X POST --data-binary "@$1" -H 'Content-Type: application/octet-stream' "$base/blobs/uploads/?digest=$(digest "$1")"; }
manifest() { curl -sf -o /dev/null -X PUT --data-binary "@$1" -H "Content-Type: $2" "$base/manifests/$3"; }
image=application/vnd.oci.image.manifest.v1+json
index=application/vnd.oci.image.index.v1+json

printf '{}' >empty
blob empty
config='{"mediaType":"application/vnd.oci.empty.v1+json","digest":"'$(digest empty)'","size":2}'
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[]}' "$image" "$config" >subject
manifest subject "$image" v1
subject='{"mediaType":"'$image'","digest":"'$(digest subject)'","size":'$(wc -c <subject)'}'
printf '{"schemaVersion":2,"mediaType":"%s","artifactType":"application/spdx+json","config":%s,"layers":[%s],"subject":%s}' \
  "$image" "$config" "$config" "$subject" >sbom
manifest sbom "$image" sbom
printf '{"schemaVersion":2,"mediaType":"%s","artifactType":"application/spdx+json","manifests":[%s],"subject":%s}' \
  "$index" "${subject%\}},\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}" "$subject" >set
manifest set "$index" set

code=0
tar cf layer.tar empty
crane mutate --annotation a=b -t "$host/app:mutated" "$host/app:sbom" >/dev/null
crane append -b "$host/app:sbom" -f layer.tar -t "$host/app:appended" >/dev/null
crane index filter --platform linux/amd64 -t "$host/app:filtered" "$host/app:set" >/dev/null
for tag in sbom mutated appended set filtered; do
  content=$(crane manifest "$host/app:$tag")
  has=no type=no
  [[ $content != *'"subject":'* ]] || has=yes
  [[ $content != *'"artifactType":"application/spdx+json"'* ]] || type=yes
  echo "$tag: artifact type $type, subject $has"
  case $tag in
  sbom | set) want=yes ;;
  *) want=no ;;
  esac
  [ "$has$type" = "${want}yes" ] || code=1
done
[ "$code" = 0 ] || echo "this has changed" >&2
exit "$code"

# Seen with 0.22.1:
#   sbom: artifact type yes, subject yes
#   mutated: artifact type yes, subject no
#   appended: artifact type yes, subject no
#   set: artifact type yes, subject yes
#   filtered: artifact type yes, subject no
