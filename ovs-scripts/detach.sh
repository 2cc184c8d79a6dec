#!/bin/sh
# Takes everything of ovs-shadow off this Open vSwitch, without the controller.
set -eu

usage() {
  cat <<'END'
Usage: detach.sh [-n] [--db=REMOTE]

Removes what carries the mark of ovs-shadow, and nothing else:
  flows    cookie 0x5348000000000000/0xffff000000000000; those of table 0 first, so that no packet meets half a pipeline
  groups   and meters with numbers 0x53480000 to 0x5348ffff, unless somebody else's flow or group uses them
  rows     Mirror, sFlow, Port and Bridge with ovs-shadow:role in external_ids, in one transaction, references first
Stop ovs-shadowd before; it would put them back. Running it twice does no harm.

  -n, --dry-run    print the commands, change nothing
  --db=REMOTE      the database, as ovs-vsctl takes it (default: unix:$OVS_RUNDIR/db.sock)
  -h, --help       this text
Environment: OVS_RUNDIR, the folder of db.sock and BRIDGE.mgmt (default: /var/run/openvswitch).
Exit status: 0 nothing of ours is left (or dry run), 1 something is left, 2 wrong use.
END
}

# src/network/pipeline.ts: cookiePrefix and cookiePrefixMask, groupBase, table.poke, mark.role
cookie=0x5348000000000000/0xffff000000000000
first_id=$((0x53480000))
last_id=$((0x5348ffff))
poke_table=249
role='external_ids:"ovs-shadow:role"!=""'
versions=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15

dry=no
rundir=${OVS_RUNDIR:-/var/run/openvswitch}
db=
for argument; do
  case $argument in
    -n | --dry-run) dry=yes ;;
    --db=?*) db=${argument#--db=} ;;
    -h | --help) usage; exit 0 ;;
    *) echo "detach.sh: unknown argument '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done
db=${db:-unix:$rundir/db.sock}

vsctl() { ovs-vsctl --db="$db" --timeout=20 "$@"; }
ofctl() { ovs-ofctl -O "$versions" --timeout=20 "$@"; }
find_rows() { # columns table condition
  rows=$(vsctl --bare --columns="$1" find "$2" "$3") || return 1
  printf '%s\n' "$rows" | sed '/^$/d'
}
say() { echo "detach.sh: $*" >&2; }
left=0
leave() { say "$*"; left=1; }

# Runs vsctl or ofctl with arguments, or prints the command as one can paste it.
change() {
  if [ "$dry" = no ]; then "$@"; return; fi
  case $1 in
    vsctl) printf 'ovs-vsctl --db=%s' "$db" ;;
    ofctl) printf 'ovs-ofctl -O %s' "$versions" ;;
  esac
  shift
  printf " '%s'" "$@"
  echo
}

is_ours() { # number of a group or meter
  [ "$1" -ge "$first_id" ] && [ "$1" -le "$last_id" ]
}

# Flows, groups and meters of one bridge that stays.
clean_tables() {
  bridge=$1
  at=unix:$rundir/$bridge.mgmt
  if ! flows=$(ofctl dump-flows "$at" 2>/dev/null); then
    leave "bridge $bridge does not answer at $at: its flows were not looked at"
    return 0
  fi
  ours=$(ofctl dump-flows "$at" "cookie=$cookie" | grep -c cookie= || true)
  if [ "$ours" -gt 0 ]; then
    change ofctl del-flows "$at" "cookie=$cookie,table=0"
    change ofctl del-flows "$at" "cookie=$cookie"
  fi
  foreign=$(printf '%s\n' "$flows" | grep -v 'cookie=0x5348[0-9a-f]\{12\},' || true)
  groups=$(ofctl dump-groups "$at" 2>/dev/null || true)
  for id in $(printf '%s\n' "$groups" | sed -n 's/^ *group_id=\([0-9]*\),.*/\1/p'); do
    is_ours "$id" || continue
    others=$(printf '%s\n' "$groups" | while read -r line; do
      other=${line#group_id=}
      other=${other%%,*}
      case $other in *[!0-9]* | '') continue ;; esac
      is_ours "$other" || echo "$line"
    done)
    if printf '%s\n%s\n' "$foreign" "$others" | grep -Eq "group:$id([^0-9]|\$)"; then
      leave "group $id of bridge $bridge is used by a flow or group that is not ours: left"
    else
      change ofctl del-groups "$at" "group_id=$id"
    fi
  done
  for id in $(ofctl dump-meters "$at" 2>/dev/null | sed -n 's/^ *meter=\([0-9]*\) .*/\1/p'); do
    is_ours "$id" || continue
    if printf '%s\n' "$foreign" | grep -Eq "meter:$id([^0-9]|\$)"; then
      leave "meter $id of bridge $bridge is used by a flow that is not ours: left"
    else
      change ofctl del-meter "$at" "meter=$id"
    fi
  done
}

if ! our_bridges=$(find_rows name Bridge "$role"); then
  say "no answer from the database at $db"
  exit 1
fi
live_bridges=
for name in $(vsctl list-br); do
  printf '%s\n' "$our_bridges" | grep -qxF -- "$name" || live_bridges="$live_bridges $name"
done

for bridge in $live_bridges; do clean_tables "$bridge"; done

# One transaction: every one makes ovs-vswitchd run its whole configuration. References come before what they name.
mirrors=$(find_rows _uuid Mirror "$role")
set --
for uuid in $mirrors; do
  for bridge in $(find_rows _uuid Bridge "mirrors{>=}$uuid"); do set -- "$@" -- remove Bridge "$bridge" mirrors "$uuid"; done
done
for uuid in $(find_rows _uuid sFlow "$role"); do
  for bridge in $(find_rows _uuid Bridge "sflow=$uuid"); do set -- "$@" -- clear Bridge "$bridge" sflow; done
done
for uuid in $(find_rows _uuid Port "$role"); do
  for bridge in $(find_rows _uuid Bridge "ports{>=}$uuid"); do set -- "$@" -- remove Bridge "$bridge" ports "$uuid"; done
done
for bridge in $our_bridges; do set -- "$@" -- --if-exists del-br "$bridge"; done
if [ $# -gt 0 ]; then
  shift # the first "--"
  change vsctl "$@" || leave "ovs-vsctl failed, or ovs-vswitchd has not taken the change within 20 s"
fi

# A deleted Mirror goes on copying in cached flows until the next flow-mod.
if [ -n "$mirrors" ]; then
  for bridge in $live_bridges; do
    at=unix:$rundir/$bridge.mgmt
    change ofctl add-flow "$at" "cookie=${cookie%/*},table=$poke_table,priority=1,actions=drop" || leave "bridge $bridge: no flow-mod possible"
    change ofctl del-flows "$at" "cookie=$cookie,table=$poke_table" || leave "bridge $bridge: no flow-mod possible"
  done
fi

if [ "$dry" = no ]; then
  for table in Bridge Port Mirror sFlow; do
    for uuid in $(find_rows _uuid "$table" "$role"); do leave "$table row $uuid is still there"; done
  done
  exit "$left"
fi
