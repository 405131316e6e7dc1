# Daemon and open-iscsi both run in the guest, over its loopback interface.
. /job/checks.sh
INTERFACE="iSCSI, open-iscsi"
modprobe -a sg st ch iscsi_tcp
/job/ferric-iscsid --data /tmp/data --config /job/ferric.toml --bind 127.0.0.1:3260 >/tmp/ready 2>/tmp/daemon.log &
DAEMON=$!
for _ in $(seq 100); do grep -q ready /tmp/ready && break; sleep 0.1; done
IQN=$(awk '{print $4}' /tmp/ready)
start_initiator
says "discovery" "127.0.0.1:3260,1 $IQN" iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260
runs "login" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --login
runs "three units appear" wait_for_devices 3
find_devices
says "lsscsi" 'mediumx STK +L700.*tape +IBM +ULT3580-TD8' lsscsi
says "sg_luns" 'imply 3 luns|Lun list length = 24' sg_luns "$CHANGER"
says "mtx status" '2 Drives, 24 Slots' mtx -f "$CHANGER" status
runs "mtx load" mtx -f "$CHANGER" load 1 0
says "mt status" 'LTO-8.*BOT ONLINE' mt-st -f "$TAPE" status
head -c 20000000 /dev/urandom > /tmp/file
runs "tar to tape" tar -b 512 -C /tmp -cf "$TAPE" file
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "tar compares" tar -b 512 -C /tmp -df "$TAPE"
runs "1 MiB records" dd if=/dev/zero of="$TAPE" bs=1M count=8
runs "mt offline" mt-st -f "$TAPE" offline
runs "mtx unload" mtx -f "$CHANGER" unload 1 0
runs "logout" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --logout

echo "# README.md, line by line"
ln -s "$(command -v mt-st)" /usr/local/bin/mt
while IFS= read -r line; do
  eval "$line" >/tmp/typed 2>&1 </dev/null
  note "$line" $? "$(cat /tmp/typed)"
  case $line in *--login*) wait_for_devices 3 ;; esac
done </job/readme.txt
iscsiadm -k 0
kill -TERM $DAEMON
wait $DAEMON
note "the daemon ends with status 0" $? "$(cat /tmp/daemon.log)"
records mtx mtx "status, load, unload"
records tar tar "-b 512: write an archive and compare it"
finish
