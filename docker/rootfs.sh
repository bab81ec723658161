#!/usr/bin/env bash
# rootfs.sh PROGRAM DIR: what the image of the sidecar is made of, as a folder. Beside the program: every library that it and nft
# are linked with, certificates of public authorities, a user, and the folders that are written.
set -euo pipefail
program=$1 root=$2
here=$(cd "$(dirname "$0")" && pwd)

missing=()
[ -x /usr/sbin/nft ] || missing+=(nftables)
[ -x /usr/sbin/setcap ] || missing+=(libcap2-bin)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$root"/{etc/ssl/certs,usr/lib,usr/lib64,usr/sbin,tmp,proc,dev,sys,run/mesh,run/identity,var/lib/outrider}
install -m 0755 "$program" "$root/outrider"
strip "$root/outrider"
install -m 0755 /usr/sbin/nft "$root/usr/sbin/nft"
ln -sfn usr/lib "$root/lib"                        # as Debian has it: the folder may be laid over one
ln -sfn usr/lib64 "$root/lib64"
ldd "$root/outrider" /usr/sbin/nft | awk '/=> \//{print $3} /^\t\/lib.*ld-linux/{print $1}' | sort -u | while read -r library; do
  install -D -m 0755 "$library" "$root/usr$(sed "s#^/usr##" <<< "$library")"
done
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -p "$root/usr/share/licenses/outrider" "$root/usr/lib/ssl"
cp "$here/../LICENSE" "$root/usr/share/licenses/outrider/"
ln -sfn /etc/ssl/certs "$root/usr/lib/ssl/certs"   # where OpenSSL of Debian looks
ln -sfn /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
printf 'root:x:0:0::/:/usr/sbin/nologin\noutrider:x:1337:1337::/var/lib/outrider:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\noutrider:x:1337:\nnogroup:x:65534:\n' > "$root/etc/group"
chmod 1777 "$root/tmp"
chown 1337:1337 "$root/var/lib/outrider" "$root/run/mesh"
# `outrider capture` may take this right where the container has it, as an init container's; who starts it otherwise has nothing of it:
# with +p, not +ep, it also starts where the right is not to be had.
setcap cap_net_admin+p "$root/outrider"
