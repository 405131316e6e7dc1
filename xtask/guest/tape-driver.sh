# The kernel's drivers run scripts on libraries that tape-script serves over the loopback interface: one drive or changer
# for each case, so that neither the driver nor the unit was used before.
. /job/checks.sh
modprobe -a st sg ch iscsi_tcp
start_initiator
units() { ls -d /sys/class/scsi_generic/sg* 2>/dev/null | wc -l; }
PORT=3260
# NAME CASES COMMAND SCRIPT...: runs tape-script with the command; its output becomes NAME.result.
tape_script() {
  local name=$1 cases=$2 command=$3; shift 3
  PORT=$((PORT + 1))
  rm -f /tmp/go; mkfifo /tmp/go; exec 3<>/tmp/go
  /job/tape-script "$command" 127.0.0.1:$PORT "$@" </tmp/go >"/job/$name.result" 2>/tmp/ready &
  local server=$!
  for _ in $(seq 300); do grep -q ready /tmp/ready && break; sleep 0.1; done
  iscsiadm -m discovery -t sendtargets -p 127.0.0.1:$PORT >/dev/null
  iscsiadm -m node --login >/dev/null
  for _ in $(seq 600); do [ "$(units)" -ge "$(awk '/^ready/{print $4}' /tmp/ready)" ] && break; sleep 0.1; done
  sleep 1
  echo go >&3
  for _ in $(seq 6000); do grep -q done /tmp/ready && break; [ -d /proc/$server ] || break; sleep 0.1; done
  says "$name: $cases cases" done cat /tmp/ready
  iscsiadm -m node --logout >/dev/null
  iscsiadm -m node -o delete >/dev/null
  echo end >&3
  wait $server
  for _ in $(seq 100); do [ "$(units)" -eq 0 ] && break; sleep 0.1; done
}
for script in /job/*.txt; do
  name=$(basename "$script" .txt)
  [ "$name" = readme ] || tape_script "$name" "$(grep -c '^case ' "$script")" serve "$script"
done
if [ -f /job/random ]; then
  tape_script random 23 compare $(cat /job/random)
  says "random steps have equal results" ', 0 differ' tail -n 1 /job/random.result
fi
finish
