# Faults of connections (examples/faults), with the initiator and the drivers of Linux: what programs do. Daemon and open-iscsi both run
# in the guest.
. /job/checks.sh
modprobe -a sg st ch iscsi_tcp
start_initiator
# Detect a dead connection after 2 s, and give up its commands after 10 s more.
SETTINGS="noop_out_interval=1 noop_out_timeout=1 login_timeout=3"
head -c 20000000 /dev/urandom > /tmp/file

# Starts a daemon with the faults of a script, and logs in; A1L8 is in the first drive.
begin() { # SCRIPT
  echo "# $1"
  printf 'faults = "/job/faults/%s.toml"\n[[library]]\nslots = 4\n[[library.drive]]\nmodel = "ULT3580-TD8"\n[[library.cartridges]]\npattern = "A#L8"\ncount = 2\nsize = "100MB"\n' "$1" >/tmp/faults.toml
  /job/ferric-iscsid --data "/tmp/$1" --config /tmp/faults.toml --bind 127.0.0.1:3260 >/tmp/ready 2>"/tmp/$1.log" &
  DAEMON=$!
  for _ in $(seq 300); do grep -q ready /tmp/ready && break; sleep 0.1; done
  IQN=$(awk '{print $4}' /tmp/ready)
  iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260 >/dev/null
  local setting
  for setting in $SETTINGS; do
    iscsiadm -m node -T "$IQN" -o update -n "node.conn[0].timeo.${setting%=*}" -v "${setting#*=}"
  done
  iscsiadm -m node -T "$IQN" -o update -n node.session.timeo.replacement_timeout -v 30
  runs "login" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --login
  runs "two units appear" wait_for_devices 2
  find_devices
  runs "mtx load" mtx -f "$CHANGER" load 1 0
}
# The end of the session and of the daemon.
end() {
  iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --logout >/dev/null
  kill -TERM $DAEMON
  wait $DAEMON
  note "the daemon ends with status 0" $? "$(cat "/tmp/$1.log")"
}
# The tape has the first five blocks of the archive, each once, and nothing more or a filemark.
five_blocks() {
  mt-st -f "$TAPE" rewind
  dd if="$TAPE" of=/tmp/read bs=262144 2>/dev/null
  tar -b 512 -C /tmp -cf - file | head -c $((5 * 262144)) | cmp - /tmp/read
}
# The driver st does not repeat a WRITE. tar ends with an error, and the block of the WRITE without a response is on the tape.
begin lost-session-in-a-backup
says "tar reports an error" 'Cannot write: Input/output error' tar -b 512 -C /tmp -cf "$TAPE" file
says "the fifth block is on the tape" 'At block 5\.' mt-st -f "$TAPE" tell
runs "five blocks are on the tape" five_blocks
end lost-session-in-a-backup

# A NOP-Out without NOP-In ends the connection during the outage, and the session comes back after it.
begin cut-link-in-a-backup
says "tar reports an error" 'Cannot write: Input/output error' tar -b 512 -C /tmp -cf "$TAPE" file
says "the fifth block is on the tape" 'At block 5\.' mt-st -f "$TAPE" tell
runs "five blocks are on the tape" five_blocks
says "the connection was dead" 'ping timeout' dmesg
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "tar writes again" tar -b 512 -C /tmp -cf "$TAPE" file
end cut-link-in-a-backup

# Without a command in progress, nothing is lost.
begin nop-unanswered
sleep 8
says "two connections were dead" 'ping timeout.*ping timeout.*ping timeout' dmesg
runs "tar writes" tar -b 512 -C /tmp -cf "$TAPE" file
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "tar compares" tar -b 512 -C /tmp -df "$TAPE"
end nop-unanswered
records tar tar "-b 512: a lost session, a cut link and NOP-Out PDUs without an answer"
finish
