# Every library model with Linux's own programs, and backups on two libraries in parallel. Daemon and open-iscsi both
# run in the guest.
. /job/checks.sh
INTERFACE="iSCSI, open-iscsi"
modprobe -a sg st ch iscsi_tcp
/job/ferric-iscsid --data /tmp/data --config /job/libraries.toml --bind 127.0.0.1:3260 >/tmp/ready 2>/tmp/daemon.log &
DAEMON=$!
for _ in $(seq 300); do grep -q ready /tmp/ready && break; sleep 0.1; done
start_initiator
IQN=$(awk '{print $4}' /tmp/ready)
says "discovery of eight targets" "(,1 $IQN.*){8}" iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260

# Uses the kernel's ch driver, for which no program exists: CHIOGPARAMS, and CHIOMOVE from slot A to drive B (or back,
# for "back").
changer() { # params | move A B | back B A
  perl -e 'use strict; my ($what, @at) = @ARGV;
    open my $ch, "+<", "/dev/sch0" or die "/dev/sch0: $!";
    if ($what eq "params") {
      my $params = "\0" x 20;
      ioctl $ch, 0x80146306, $params or die "CHIOGPARAMS: $!";
      my @params = unpack "i5", $params;
      print "pickers $params[1] slots $params[2] portals $params[3] drives $params[4]\n";
    } else {
      my @types = $what eq "move" ? (1, 3) : (3, 1);
      my $move = pack "i5", $types[0], $at[0], $types[1], $at[1], 0;
      ioctl $ch, 0x40146301, $move or die "CHIOMOVE: $!";
    }' "$@"
}

library() { # NAME UNITS INQUIRY SLOTS PORTS DRIVES LABEL
  local target=$IQN$1 units=$2 inquiry=$3 slots=$4 ports=$5 drives=$6 label=$7
  local port=$((slots + 1))
  echo "# $inquiry"
  runs "login" iscsiadm -m node -T "$target" -p 127.0.0.1:3260 --login
  runs "$units units appear" wait_for_devices "$units"
  find_devices
  says "lsscsi" "mediumx $inquiry" lsscsi
  says "mtx inquiry" 'Medium Changer' mtx -f "$CHANGER" inquiry
  says "mtx status" "$drives Drives, $((slots + ports)) Slots \( $ports Import/Export \).*Storage Element 1:Full :VolumeTag=$label" mtx -f "$CHANGER" status
  says "loaderinfo" "Number of Storage Elements: $slots.*Number of Import/Export Elements: $ports.*Number of Data Transfer Elements: $drives" loaderinfo -f "$CHANGER"
  runs "mtx inventory" mtx -f "$CHANGER" inventory
  runs "mtx load" mtx -f "$CHANGER" load 1 0
  says "mtx status: loaded" "Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = $label" mtx -f "$CHANGER" status
  says "mt status" 'BOT ONLINE' mt-st -f "$TAPE" status
  head -c 1000000 /dev/urandom > /tmp/small
  runs "tar to tape" tar -b 128 -C /tmp -cf "$TAPE" small
  runs "mt rewind" mt-st -f "$TAPE" rewind
  runs "tar compares" tar -b 128 -C /tmp -df "$TAPE"
  runs "mtx unload" mtx -f "$CHANGER" unload 1 0
  runs "mtx transfer to import/export" mtx -f "$CHANGER" transfer 2 "$port"
  says "mtx status: in import/export" "Storage Element 2:Empty.*Storage Element $port IMPORT/EXPORT:Full" mtx -f "$CHANGER" status
  runs "mtx transfer back" mtx -f "$CHANGER" transfer "$port" 2
  says "ch: the elements" "slots $slots portals $ports drives $drives" changer params
  runs "ch: slot 3 to drive 2" changer move 2 1
  says "mtx status: in drive 2" "Data Transfer Element 1:Full \(Storage Element 3 Loaded\)" mtx -f "$CHANGER" status
  runs "ch: drive 2 to slot 3" changer back 1 2
  says "mtx status: back in slot 3" "Data Transfer Element 1:Empty.*Storage Element 3:Full" mtx -f "$CHANGER" status
  runs "sg_logs of the changer" sg_logs -p 0 "$CHANGER"
  runs "sg_opcodes of the changer" sg_opcodes "$CHANGER"
  runs "logout" iscsiadm -m node -T "$target" -p 127.0.0.1:3260 --logout
}

library "" 5 'STK +L700' 12 4 4 A01L8
library ":b" 5 'IBM +03584L32' 12 4 4 B01L7
library ":c" 3 'STK +L180' 10 4 2 C01L6
library ":d" 3 'IBM +3573-TL' 23 1 2 D01L7
library ":e" 3 'HP +MSL G3 Series' 24 1 2 E01L5
library ":f" 3 'SPECTRA +PYTHON' 20 4 2 F01L5
library ":g" 3 'ADIC +Scalar i500' 36 4 2 G01L6
library ":h" 3 'FERRIC +VIRTUAL LIBRARY' 300 10 2 H001L9

echo "# two libraries, four drives each, at the same time"
runs "login to the first" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --login
runs "login to the second" iscsiadm -m node -T "$IQN:b" -p 127.0.0.1:3260 --login
runs "ten units appear" wait_for_devices 10
CHANGERS=($(lsscsi -g | awk '$2=="mediumx"{print $NF}'))
find_devices
backup() { # TAPE NUMBER: writes a backup with random content and reads it back
  head -c 10000000 /dev/urandom > "/tmp/data$2" && tar -b 128 -C /tmp -cf "$1" "data$2" &&
    mt-st -f "$1" rewind && tar -b 128 -C /tmp -df "$1" && mt-st -f "$1" offline
}
for changer in "${CHANGERS[@]}"; do for drive in 0 1 2 3; do runs "load drive $drive of $changer" mtx -f "$changer" load $((drive + 1)) $drive; done; done
JOBS=()
for number in "${!TAPES[@]}"; do backup "${TAPES[$number]}" "$number" >"/tmp/backup$number" 2>&1 & JOBS+=($!); done
for number in "${!JOBS[@]}"; do wait "${JOBS[$number]}"; note "backup on ${TAPES[$number]}" $? "$(cat "/tmp/backup$number")"; done
for changer in "${CHANGERS[@]}"; do for drive in 0 1 2 3; do runs "unload drive $drive of $changer" mtx -f "$changer" unload $((drive + 1)) $drive; done; done
runs "logout" iscsiadm -m node --logoutall=all
iscsiadm -k 0
kill -TERM $DAEMON
wait $DAEMON
note "the daemon ends with status 0" $? "$(cat /tmp/daemon.log)"
records mtx mtx "eight library models: status, inventory, load, unload, transfer to an import/export element and back"
records loaderinfo mtx "eight library models: configuration of the changer"
records tar tar "-b 128: backups on eight drives of two libraries at the same time, and comparison"
finish
