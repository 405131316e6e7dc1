# Twins of devices: ferric personality reads a library and its drives through the kernel's driver sg, and imports them; a second
# daemon serves the twins, and sg3_utils compares them with the devices, page by page. Daemons and open-iscsi run in the guest.
. /job/checks.sh
INTERFACE="iSCSI, open-iscsi"
modprobe -a sg st ch iscsi_tcp
# Reading a program from the shared directory takes long.
cp /job/ferric /tmp/ferric
PATH=/tmp:$PATH
start_initiator

log_in() { # NAME CONFIGURATION: starts a daemon, logs in, and sets CHANGER, TAPE and TAPE_SGS
  ferric serve iscsi --data "/tmp/$1.data" --config "$2" --bind 127.0.0.1:3260 >"/tmp/$1.ready" 2>"/tmp/$1.log" &
  DAEMON=$! NAME=$1
  for _ in $(seq 300); do grep -q ready "/tmp/$1.ready" && break; sleep 0.1; done
  IQN=$(awk '{print $4}' "/tmp/$1.ready")
  runs "$1: discovery" iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260
  runs "$1: login" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --login
  runs "$1: three units appear" wait_for_devices 3
  find_devices
}
log_out() {
  runs "$NAME: logout" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --logout
  kill -TERM $DAEMON
  wait $DAEMON
  note "$NAME: the daemon ends with status 0" $? "$(cat "/tmp/$NAME.log")"
}

# Writes each page of a device as sg3_utils returns it, one file a page. A changer without subpages refuses the lists with them.
pages() { # NODE DIRECTORY
  local node=$1 to=$2 page list control subpage
  mkdir -p "$to"
  # Takes the unit attentions after the login.
  sg_turs -n 3 "$node" >/dev/null 2>&1
  sg_inq -r "$node" > "$to/inquiry"
  for page in $(sg_vpd -p 0 -r "$node" | od -An -v -tx1 -j4); do sg_vpd -p "0x$page" -r "$node" > "$to/vpd-$page"; done
  for list in 0 0,0xff; do sg_logs -p $list -r "$node" > "$to/log-$list"; done 2>/dev/null
  for page in $(od -An -v -tx1 -w1 -j4 "$to/log-0"); do sg_logs -p "0x$page" -r "$node" > "$to/log-$page"; done
  for page in $(od -An -v -tx1 -w2 -j4 "$to/log-0,0xff" | awk '$2 != "00" {print "0x" $1 ",0x" $2}'); do
    sg_logs -p "$page" -r "$node" > "$to/log-$page"
  done
  # REPORT DENSITY SUPPORT of a drive, and READ ELEMENT STATUS of a changer.
  for flags in 00 02; do
    sg_raw -b -r 65532 "$node" 44 $flags 00 00 00 00 00 ff fc 00 > "$to/densities-$flags"
  done 2>/dev/null
  sg_raw -b -r 65532 "$node" b8 10 00 00 ff ff 03 00 ff fc 00 00 > "$to/elements" 2>/dev/null
  for control in 0 1 2 3; do
    for subpage in 0 0xff; do
      sg_modes -d -r -c $control -p "0x3f,$subpage" "$node" > "$to/mode-$control,$subpage"
    done
  done 2>/dev/null
}
# The files of the devices and of the twins are the same, and there are at least COUNT with bytes.
same_pages() { # UNIT COUNT
  local out count
  out=$(diff -r "/tmp/device/$1" "/tmp/twin/$1" 2>&1)
  note "$1: all pages of the twin are those of the device" $? "$out"
  count=$(find "/tmp/twin/$1" -type f -size +0 | wc -l)
  [ "$count" -ge "$2" ]
  note "$1: $count pages, $2 expected at least" $?
}

log_in device /job/personality.toml
# Counters of the drives and of the robot have values, and the drives are empty again.
runs "mtx load" mtx -f "$CHANGER" load 1 0
head -c 3000000 /dev/urandom > /tmp/file
runs "tar to tape" tar -b 128 -C /tmp -cf "$TAPE" file
runs "mt offline" mt-st -f "$TAPE" offline
runs "mtx unload" mtx -f "$CHANGER" unload 1 0
runs "capture of the library" ferric personality capture "$CHANGER" --output /tmp/library.capture
for drive in 0 1; do
  runs "capture of drive $drive" ferric personality capture "${TAPE_SGS[$drive]}" --output "/tmp/drive$drive.capture"
done
says "capture with masked serial numbers" '> 12 ?01 ?80' ferric personality capture "$CHANGER" --mask-serials
pages "$CHANGER" /tmp/device/library
for drive in 0 1; do
  pages "${TAPE_SGS[$drive]}" "/tmp/device/drive$drive"
  # These two pages count seconds, of which some have passed since the capture.
  for page in 0c 14; do
    cdb=$(printf '> 4d00%02x00' $((0x40 | 0x$page)))
    grep -A 1 "^$cdb" "/tmp/drive$drive.capture" | sed -n 's/^< 00 in //p' | perl -ne 'chomp; print pack "H*", $_' > "/tmp/device/drive$drive/log-$page"
  done
done
log_out

import() { ferric personality import "$@" >> /tmp/twin.toml 2>> /tmp/notes; }
runs "import of the library" import /tmp/library.capture
runs "import of drive 0" import /tmp/drive0.capture
# Another model differs in many pages.
runs "import of drive 1 as another model" import /tmp/drive1.capture --model "Ultrium 6-SCSI"
runs "no page that the twins do not return" test ! -s /tmp/notes
sed -n '/cartridges/,$p' /job/personality.toml >> /tmp/twin.toml
runs "the configuration is valid" ferric config check /tmp/twin.toml

log_in twin /tmp/twin.toml
# READ ELEMENT STATUS shows that the cartridge was moved. The drive writes as the device does.
runs "twin: mtx load" mtx -f "$CHANGER" load 1 0
runs "twin: tar to tape" tar -b 128 -C /tmp -cf "$TAPE" file
runs "twin: mt offline" mt-st -f "$TAPE" offline
runs "twin: mtx unload" mtx -f "$CHANGER" unload 1 0
pages "$CHANGER" /tmp/twin/library
for drive in 0 1; do pages "${TAPE_SGS[$drive]}" "/tmp/twin/drive$drive"; done
log_out
iscsiadm -k 0
# INQUIRY, VPD pages, log pages with both lists, mode pages with four kinds of values, densities and elements.
same_pages library 25
same_pages drive0 60
same_pages drive1 60
finish
