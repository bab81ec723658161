#!/bin/sh
# Fails when a file includes from a floor its own floor may not see. Run by ctest; first argument: source root.
cd "$1" || exit 2
allowed='
base:
config: base
identity: base
stats: base
http: base
net: base identity
capture: base net
filter: base config identity http stats
wire: base net http
discovery: base config net identity
filters: base config identity http stats filter inject
upstream: base config stats net http wire discovery
exchange: base config stats net http wire filter upstream
admin: base config stats net http wire
inject: base
dns: base config identity stats net discovery
server: base config identity stats http net capture filter wire discovery filters upstream exchange admin inject dns
'
bad=0
for floor in $(echo "$allowed" | sed -n 's/:.*//p'); do
  may=" $floor $(echo "$allowed" | sed -n "s/^$floor: *//p") "
  for dir in "proxy/$floor" "$floor"; do
    [ -d "$dir" ] || continue
    for hit in $(grep -rhoE '^#include "[a-z_]+/' --include='*.h' --include='*.cc' --exclude='*_test.cc' "$dir" | sed 's/.*"//; s,/,,' | sort -u); do
      case "$may" in *" $hit "*) ;; *) echo "$dir must not include $hit/"; bad=1 ;; esac
    done
  done
done
exit $bad
