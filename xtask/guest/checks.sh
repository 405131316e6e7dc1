# Functions of every job: named checks, and their count. Sourced by the jobs.
passed=0 failed=0
note() { # NAME STATUS OUTPUT
  if [ "$2" = 0 ]; then passed=$((passed + 1)); echo "ok    $1"
  else failed=$((failed + 1)); echo "FAIL  $1"; printf '%s\n' "$3" | head -40 | sed 's/^/      /'; fi
}
# The command ends with status 0.
runs() { local name=$1; shift; local out; out=$("$@" 2>&1); note "$name" $? "$out"; }
# The command ends with another status.
fails() { local name=$1; shift; local out; if out=$("$@" 2>&1); then note "$name" 1 "succeeded: $out"; else note "$name" 0; fi; }
# The output of the command, with its lines joined by blanks, matches the extended pattern.
says() {
  local name=$1 pattern=$2; shift 2; local out; out=$("$@" 2>&1)
  if printf '%s' "$out" | tr '\n' ' ' | grep -qE -- "$pattern"; then note "$name" 0; else note "$name" 1 "no /$pattern/ in: $out"; fi
}
# Records for docs/compatibility.md what a program of a Debian package did over INTERFACE, if no check has failed.
records() { # PROGRAM PACKAGE DONE
  [ "$failed" = 0 ] || return 0
  printf '%s\t%s\t%s\t%s\tpassed\n' "$1" "$(dpkg-query -W -f '${Version}' "$2")" "$3" "$INTERFACE" >> /job/compatibility.tsv
}
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; }
wait_for_devices() { # COUNT
  for _ in $(seq 100); do
    [ "$(ls -d /sys/class/scsi_generic/sg* 2>/dev/null | wc -l)" -ge "$1" ] && return 0
    sleep 0.1
  done
  return 1
}
# Finds devices by type, never by order: /dev/sgN of the changer, /dev/nstN and /dev/sgN of the drives.
find_devices() {
  CHANGER=$(lsscsi -g | awk '$2=="mediumx"{print $NF}')
  TAPES=($(lsscsi -g | awk '$2=="tape"{sub("/dev/st","/dev/nst",$(NF-1)); print $(NF-1)}'))
  TAPE_SGS=($(lsscsi -g | awk '$2=="tape"{print $NF}'))
  TAPE=${TAPES[0]} TAPE_SG=${TAPE_SGS[0]}
}
# Starts open-iscsi and waits until it is ready for iscsiadm.
start_initiator() {
  mkdir -p /run/lock/iscsi /var/lib/iscsi
  echo InitiatorName=iqn.2026-01.org.ferric:guest > /etc/iscsi/initiatorname.iscsi
  sed -i 's|^iscsid.startup.*|iscsid.startup = /bin/true|' /etc/iscsi/iscsid.conf
  setsid iscsid -f >/tmp/iscsid.log 2>&1 &
  for _ in $(seq 100); do grep -q '@ISCSIADM_ABSTRACT_NAMESPACE' /proc/net/unix && break; sleep 0.1; done
}
