#!/bin/sh
# identities.sh DIR: an authority, an identity for each account and the mesh key, unless they are there.
set -eu
cd "$1"
[ ! -e mesh.key ] || exit 0
outrider identity dev-ca ca
for account in seed gateway shop cart; do
  outrider identity issue --ca ca --id "spiffe://mesh.local/ns/default/sa/$account" --dns "$account" --for 720h --out "$account"
done
outrider identity mesh-key mesh.key       # last: it says that all is there
