#!/bin/sh
# Looks at this machine's Open vSwitch as ovs-shadow will find it, and says what it means. Changes nothing.
set -eu

usage() {
  cat <<'END'
Usage: doctor.sh [--db=REMOTE]

Checks versions, permissions, MTU, transmit offload behind veth ports of netdev bridges, names and flow tables that
ovs-shadow would use, free Mirror rows, sFlow columns in use. Each line is ok, note, warn or FAIL.

  --db=REMOTE   the database, as ovs-vsctl takes it (default: unix:$OVS_RUNDIR/db.sock)
  -h, --help    this text
Environment: OVS_RUNDIR, the folder of db.sock and BRIDGE.mgmt (default: /var/run/openvswitch).
Exit status: 0 no FAIL, 1 at least one FAIL, 2 wrong use.
END
}

# src/network/pipeline.ts: cookiePrefix, table.admit to table.poke, mark.role; src/shadow/names.ts; ovs-vswitchd's MAX_MIRRORS
cookie=0x5348000000000000/0xffff000000000000
first_table=240
last_table=249
role='external_ids:"ovs-shadow:role"!=""'
max_mirrors=32
versions=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15

rundir=${OVS_RUNDIR:-/var/run/openvswitch}
db=
for argument; do
  case $argument in
    --db=?*) db=${argument#--db=} ;;
    -h | --help) usage; exit 0 ;;
    *) echo "doctor.sh: unknown argument '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done
db=${db:-unix:$rundir/db.sock}

failed=0
ok() { echo "ok    $*"; }
note() { echo "note  $*"; }
warn() { echo "warn  $*"; }
fail() { echo "FAIL  $*"; failed=1; }
vsctl() { ovs-vsctl --db="$db" --timeout=10 "$@"; }
ofctl() { ovs-ofctl -O "$versions" --timeout=10 "$@"; }
find_rows() { # columns table condition
  rows=$(vsctl --bare --columns="$1" find "$2" "$3") || return 1
  printf '%s\n' "$rows" | sed '/^$/d'
}
count() { grep -c . || true; }
# at_least HAVE WANT: versions of dotted numbers
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

check_versions() {
  for tool in ovs-vsctl ovs-ofctl ovs-appctl; do
    command -v "$tool" >/dev/null || { fail "$tool is missing: install Open vSwitch (Debian: openvswitch-switch)"; exit 1; }
  done
  if command -v node >/dev/null; then
    node=$(node --version)
    if at_least "${node#v}" 20; then ok "node $node"; else fail "node $node: ovs-shadowd needs 20 or newer"; fi
  else
    fail "node is missing: ovs-shadowd needs version 20 or newer"
  fi
}

check_database() {
  case $db in
    unix:*)
      socket=${db#unix:}
      if [ ! -S "$socket" ]; then fail "$socket is not a socket: is ovsdb-server running, and OVS_RUNDIR right?"; exit 1; fi
      [ -w "$socket" ] || { fail "no permission to write $socket: run as root or as a member of its group"; exit 1; }
      ;;
  esac
  version=$(vsctl --bare --columns=ovs_version list Open_vSwitch . 2>/dev/null) || { fail "no answer from the database at $db"; exit 1; }
  if [ -z "$version" ]; then version=$(ovs-vsctl --version | sed -n '1s/.* //p'); fi
  if at_least "$version" 2.17; then ok "Open vSwitch $version"; else warn "Open vSwitch $version: tried with 3.1; before 2.17 nothing was tried"; fi
  monitored=no
  running=no
  for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null)" = ovs-vswitchd ] || continue
    running=yes
    tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q -- --monitor && monitored=yes
    parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$process/status" 2>/dev/null)
    [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = ovs-vswitchd ] && monitored=yes
  done
  if [ "$running" = no ]; then
    warn "no ovs-vswitchd process is seen from here"
  elif [ "$monitored" = yes ]; then
    ok "ovs-vswitchd is restarted when it crashes (--monitor)"
  else
    warn "ovs-vswitchd runs without --monitor: after a crash nothing forwards until someone starts it again"
  fi
}

check_names() {
  # A bridge's LOCAL port is named after it and carries no mark of its own.
  ours=$(find_rows name Bridge "$role"; find_rows name Port "$role"; find_rows name Mirror "$role")
  taken=$(for table in Bridge Port Mirror; do vsctl --bare --columns=name list "$table"; done | sort -u |
    grep -E '^sh[sxdn][a-z2-7]{8}$|^sh[mabefgtu][a-z2-7]{8}-([0-9]+|all)$|^shk-collectors$' | while read -r name; do
    printf '%s\n' "$ours" | grep -qxF -- "$name" || echo "$name"
  done)
  if [ -z "$taken" ]; then ok "no foreign row has a name of the form ovs-shadow uses"; fi
  for name in $taken; do warn "$name has a name of the form ovs-shadow uses, but not its mark: it would be in the way only if the hash is the same"; done
  number=$(printf '%s\n' "$ours" | count)
  if [ "$number" -gt 0 ]; then note "$number rows of ovs-shadow are in the database: attached, or left over (detach.sh removes them)"; fi
}

check_tables() { # bridge
  at=unix:$rundir/$1.mgmt
  if [ ! -S "${at#unix:}" ]; then fail "$1: ${at#unix:} is missing: ovs-vswitchd is not running, or OVS_RUNDIR is wrong"; return 0; fi
  if ! error=$(ofctl show "$at" 2>&1 >/dev/null); then fail "$1: no OpenFlow through ${at#unix:}: $error"; return 0; fi
  flows=$(ofctl dump-flows "$at" | grep cookie= || true)
  foreign=$(printf '%s\n' "$flows" | grep -v 'cookie=0x5348[0-9a-f]\{12\},' |
    sed -n 's/.* table=\([0-9]*\),.*/\1/p' | awk -v a=$first_table -v b=$last_table '$1 >= a && $1 <= b' | count)
  ours=$(printf '%s\n' "$flows" | grep -c 'cookie=0x5348[0-9a-f]\{12\},' || true)
  if [ "$foreign" -gt 0 ]; then
    fail "$1: $foreign foreign flows in tables $first_table to $last_table, where ovs-shadow puts its own: its entry in table 0 would lead packets into them"
  else
    ok "$1: tables $first_table to $last_table are free"
  fi
  if [ "$ours" -gt 0 ]; then note "$1: $ours flows with a cookie of ovs-shadow ($cookie): attached, left over, or somebody uses the same range"; fi
  protocols=$(vsctl --bare --columns=protocols list Bridge "$1")
  case " $protocols " in
    '  ' | *OpenFlow14* | *OpenFlow13* | *OpenFlow15*) ;;
    *) fail "$1: protocols allows only $protocols; ovs-shadow needs OpenFlow13 or newer" ;;
  esac
}

check_rows() { # bridge
  mirrors=$(vsctl --bare --columns=mirrors list Bridge "$1" | wc -w)
  ports=$(vsctl list-ports "$1" | count)
  free=$((max_mirrors - mirrors))
  our_mirrors=0
  for uuid in $(find_rows _uuid Mirror "$role"); do
    if [ -n "$(find_rows name Bridge "mirrors{>=}$uuid" | grep -xF -- "$1")" ]; then our_mirrors=$((our_mirrors + 1)); fi
  done
  if [ $((free + our_mirrors)) -lt "$ports" ]; then
    warn "$1: $free Mirror rows free for $ports ports: edge ports beyond that get no copy in the shadow"
  else
    ok "$1: $free Mirror rows free, $ports ports"
  fi
  sflow=$(vsctl --bare --columns=sflow list Bridge "$1")
  if [ -z "$sflow" ]; then
    ok "$1: sFlow is free"
  elif [ -n "$(find_rows _uuid sFlow "$role" | grep -xF -- "$sflow")" ]; then
    note "$1: sFlow is ours"
  else
    note "$1: sFlow is in use by someone else: it stays as it is, and ovs-shadow gets samples only if its address is among the targets"
  fi
  if [ -n "$(vsctl get-controller "$1")" ]; then note "$1: another controller is set: ovs-shadow goes in beside it, as EQUAL"; fi
}

check_devices() { # bridge
  datapath=$(vsctl --bare --columns=datapath_type list Bridge "$1")
  mtus=$(for port in $(vsctl list-ports "$1"); do
    vsctl --bare --columns=mtu --if-exists list Interface "$port" 2>/dev/null || true
  done | sed '/^$/d' | sort -un | tr '\n' ' ')
  case $mtus in
    *' '*' '*) warn "$1: ports with different MTU ($mtus): a copy larger than the smaller one is lost without a word" ;;
    '') ;;
    *) ok "$1: MTU ${mtus% }; a shadow on another host needs an underlay of at least $((${mtus% } + 58))" ;;
  esac
  for port in $(vsctl list-ports "$1"); do
    error=$(vsctl --bare --columns=error --if-exists list Interface "$port" 2>/dev/null || true)
    if [ -n "$error" ]; then warn "$1: port $port: $error"; fi
    if [ "$datapath" = netdev ]; then check_offload "$1" "$port"; fi
  done
}

# The userspace datapath forwards half-made checksums as they are, so TCP and UDP from a host with offload are dropped.
check_offload() { # bridge port
  link=$(ip -o -d link show dev "$2" 2>/dev/null) || return 0
  case $link in *' veth '*) ;; *) return 0 ;; esac
  peer=$(printf '%s' "$link" | sed -n 's/^[0-9]*: [^@]*@\([^:]*\):.*/\1/p')
  netns=$(printf '%s' "$link" | sed -n 's/.* link-netns \([^ ]*\).*/\1/p')
  if [ -n "$netns" ]; then
    name=$(ip -n "$netns" -o link | sed -n "s/^${peer#if}: \([^@:]*\).*/\1/p")
    features=$(ip netns exec "$netns" ethtool -k "$name" 2>/dev/null) || features=
    where="in namespace $netns"
  else
    name=$peer
    features=$(ethtool -k "$peer" 2>/dev/null) || features=
    where=here
  fi
  case $features in
    '') note "$1: port $2 is a veth whose other end can't be seen from here: see that its host has 'ethtool -K DEVICE tx off'" ;;
    *'tx-checksumming: on'*) warn "$1: port $2: transmit offload is on at its host ($name $where): TCP and UDP fail, ping works; run 'ethtool -K $name tx off' there" ;;
    *) ok "$1: port $2: transmit offload is off at its host" ;;
  esac
}

check_versions
check_database
check_names
ours=$(find_rows name Bridge "$role")
for bridge in $(vsctl list-br); do
  if printf '%s\n' "$ours" | grep -qxF -- "$bridge"; then continue; fi
  check_tables "$bridge"
  check_rows "$bridge"
  check_devices "$bridge"
done
exit "$failed"
