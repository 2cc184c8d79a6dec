#!/bin/sh
# Writes a configuration for this machine and starts ovs-shadowd on it.
set -eu

usage() {
  cat <<'END'
Usage: attach.sh [-n] [--db=REMOTE] [--config=FILE] [--state=DIR] [BRIDGE...]

Runs doctor.sh, writes a minimal configuration, unless FILE is there, and starts ovs-shadowd in the foreground.
With BRIDGEs, only these are taken; otherwise all. Undone by `ovs-shadowctl detach`, or by detach.sh.

  -n, --dry-run    print the configuration and the command, change nothing
  --db=REMOTE      the database: unix:PATH or tcp:HOST:PORT (default: unix:$OVS_RUNDIR/db.sock)
  --config=FILE    default: /etc/ovs-shadow/ovs-shadow.yaml
  --state=DIR      where history is kept (default: /var/lib/ovs-shadow)
  -h, --help       this text
Environment: OVS_RUNDIR, the folder of db.sock and BRIDGE.mgmt (default: /var/run/openvswitch).
Exit status: that of ovs-shadowd; 1 when doctor.sh finds a FAIL, 2 wrong use.
END
}

here=$(cd "$(dirname "$0")" && pwd)
rundir=${OVS_RUNDIR:-/var/run/openvswitch}
db=
config=/etc/ovs-shadow/ovs-shadow.yaml
state=/var/lib/ovs-shadow
dry=no
bridges=
for argument; do
  case $argument in
    -n | --dry-run) dry=yes ;;
    --db=?*) db=${argument#--db=} ;;
    --config=?*) config=${argument#--config=} ;;
    --state=?*) state=${argument#--state=} ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "attach.sh: unknown argument '$argument'" >&2; usage >&2; exit 2 ;;
    *) bridges="$bridges $argument" ;;
  esac
done
db=${db:-unix:$rundir/db.sock}

# In YAML a single-quoted text has only one special character.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }

write_config() {
  echo "# Written by attach.sh; docs/configuration.md lists every key."
  echo "ovsdb: $(quoted "$db")"
  if [ -z "$bridges" ]; then
    echo "bridges: all"
  else
    echo "bridges:"
    for bridge in $bridges; do echo "  - $(quoted "$bridge")"; done
  fi
  echo "openflow:"
  echo "  runDir: $(quoted "$rundir")"
  echo "stateDir: $(quoted "$state")"
}

set -- "$here/ovs-shadowd" --config "$config"

if [ "$dry" = yes ]; then
  if [ -e "$config" ]; then echo "# $config is there and would be used as it is"; else write_config; fi
  echo "# then: $*"
  exit 0
fi

OVS_RUNDIR=$rundir "$here/doctor.sh" --db="$db" >&2 || { echo "attach.sh: not started; put right what doctor.sh calls FAIL" >&2; exit 1; }
if [ "$1" = node ] && [ ! -e "$2" ]; then
  echo "attach.sh: $2 is missing: run 'npm run build'" >&2
  exit 1
fi
if [ ! -e "$config" ]; then
  mkdir -p "$(dirname "$config")" "$state"
  write_config >"$config.new"
  mv "$config.new" "$config"
  echo "attach.sh: wrote $config" >&2
fi
exec "$@"
