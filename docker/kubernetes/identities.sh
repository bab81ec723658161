#!/bin/sh
# identities.sh DIR NAMESPACE/ACCOUNT...: Secrets for kubectl apply, on standard output: the key of the mesh and an identity for each
# account, of a throw-away authority that is kept in DIR. To try a mesh with; where certificates are to be renewed by themselves,
# cert-manager or SPIRE write the same files (README.md).
set -eu
[ $# -ge 2 ] || { echo "usage: identities.sh DIR NAMESPACE/ACCOUNT..." >&2; exit 2; }
outrider=${OUTRIDER:-outrider}
dir=$1
shift
umask 077
mkdir -p "$dir"
[ -e "$dir/ca/ca.key" ] || "$outrider" identity dev-ca "$dir/ca" >&2
[ -e "$dir/key" ] || "$outrider" identity mesh-key "$dir/key" >&2

# secret NAMESPACE NAME FILE...
secret() {
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n' "$2" "$1"
  shift 2
  for file; do printf '  %s: %s\n' "$(basename "$file")" "$(base64 -w 0 < "$file")"; done
}

namespaces=
for each; do
  namespace=${each%%/*} account=${each#*/}
  case "$each" in ?*/?*) ;; *) echo "identities.sh: $each is not NAMESPACE/ACCOUNT" >&2; exit 2 ;; esac
  to=$dir/$namespace/$account
  "$outrider" identity issue --ca "$dir/ca" --id "spiffe://mesh.local/ns/$namespace/sa/$account" --dns "$account" --for 720h --out "$to" >&2
  secret "$namespace" "outrider-identity-$account" "$to/tls.crt" "$to/tls.key" "$to/ca.crt"
  case " $namespaces " in *" $namespace "*) ;; *) namespaces="$namespaces $namespace"; secret "$namespace" outrider-mesh-key "$dir/key" ;; esac
done
