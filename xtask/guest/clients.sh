# The main path: units reach the guest through QEMU's own iSCSI initiator, the daemon runs on the host.
. /job/checks.sh
modprobe -a virtio_scsi sg st ch
runs "three units appear" wait_for_devices 3
find_devices

echo "# identities"
says "lsscsi: the changer" 'mediumx STK +L700 +0310' lsscsi
says "lsscsi: two drives" 'tape +IBM +ULT3580-TD8 +MA21.*tape +IBM +ULT3580-TD8 +MA21' lsscsi
says "sg_inq of a drive" 'IBM.*ULT3580-TD8.*MA21.*Unit serial number: [0-9A-F]{10}' sg_inq "$TAPE_SG"
says "sg_inq of the changer" 'medium changer.*STK.*L700' sg_inq "$CHANGER"
for page in sv sn di ei 0xb0 0xb1 0xb2 0xb3; do runs "sg_vpd -p $page" sg_vpd -p $page "$TAPE_SG"; done
says "sg_vpd: identifiers" 'vendor id: IBM.*Relative target port: 0x1.*SCSI name string' sg_vpd -p di "$TAPE_SG"
fails "sg_vpd of a page that is not there" sg_vpd -p 0xc8 "$TAPE_SG"
runs "sg_luns" sg_luns "$CHANGER"
sg_turs "$TAPE_SG" >/dev/null 2>&1 # takes the attention that QEMU itself raises
says "sg_opcodes of a drive" 'Read\(6\).*Write\(6\).*Locate\(16\)' sg_opcodes "$TAPE_SG"
says "sg_opcodes with timeouts" '60 +1200 +Read\(6\)' sg_opcodes -R "$TAPE_SG"
says "sg_opcodes: one command" 'Usage data: 11 0f ff ff ff 00' sg_opcodes -o 0x11 "$TAPE_SG"
says "sg_opcodes: task management" 'Abort task' sg_opcodes -t "$TAPE_SG"

echo "# changer"
says "mtx inquiry" "Medium Changer.*STK" mtx -f "$CHANGER" inquiry
says "mtx status: shape" '2 Drives, 24 Slots \( 4 Import/Export \)' mtx -f "$CHANGER" status
says "mtx status: barcodes" 'Storage Element 1:Full :VolumeTag=V00001L8.*Storage Element 9:Empty.*IMPORT/EXPORT:Empty' mtx -f "$CHANGER" status
runs "mtx load" mtx -f "$CHANGER" load 1 0
says "mtx status: loaded" 'Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = V00001L8' mtx -f "$CHANGER" status
says "mtx load into a full drive" 'Full|full' mtx -f "$CHANGER" load 2 0
says "mtx load from an empty slot" 'Empty|empty' mtx -f "$CHANGER" load 1 1
runs "mtx transfer to import/export" mtx -f "$CHANGER" transfer 2 21
says "mtx status: in import/export" 'Storage Element 2:Empty.*Storage Element 21 IMPORT/EXPORT:Full :VolumeTag=V00002L8' mtx -f "$CHANGER" status
runs "mtx transfer back" mtx -f "$CHANGER" transfer 21 2
runs "mtx inventory" mtx -f "$CHANGER" inventory
runs "loaderinfo" loaderinfo -f "$CHANGER"
runs "sg_modes of the changer" sg_modes -a "$CHANGER"

echo "# drive"
says "mt status" 'Density code 0x5e \(LTO-8\).*BOT ONLINE' mt-st -f "$TAPE" status
runs "mt setblk 0" mt-st -f "$TAPE" setblk 0
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "mt compression off" mt-st -f "$TAPE" compression 0
says "compression is off" '00 +0f 0e 40' sg_modes -p 0xf "$TAPE_SG"
runs "mt compression on" mt-st -f "$TAPE" compression 1
for part in 1 2 3 4; do head -c 300000 /dev/urandom > /tmp/part$part; dd if=/tmp/part$part of="$TAPE" bs=50000 2>/dev/null; done
says "mt tell behind four files" 'At block 28' mt-st -f "$TAPE" tell
runs "mt rewind to read" mt-st -f "$TAPE" rewind
runs "mt fsf 2" mt-st -f "$TAPE" fsf 2
says "mt tell at file 2" 'At block 14' mt-st -f "$TAPE" tell
dd if="$TAPE" of=/tmp/read3 bs=50000 2>/dev/null
runs "file 2 reads back" cmp /tmp/part3 /tmp/read3
runs "mt bsf 2" mt-st -f "$TAPE" bsf 2
says "mt tell before a filemark" 'At block 13' mt-st -f "$TAPE" tell
runs "mt fsf over it" mt-st -f "$TAPE" fsf 1
dd if="$TAPE" of=/tmp/read3 bs=50000 count=6 2>/dev/null
runs "and the file is the third" cmp /tmp/part3 /tmp/read3
runs "mt seek 7" mt-st -f "$TAPE" seek 7
dd if="$TAPE" of=/tmp/read2 bs=50000 2>/dev/null
runs "file 1 reads back" cmp /tmp/part2 /tmp/read2
runs "mt eod" mt-st -f "$TAPE" eod
says "mt tell at end of data" 'At block 28' mt-st -f "$TAPE" tell
runs "mt weof 2" mt-st -f "$TAPE" weof 2
says "mt tell behind two filemarks" 'At block 30' mt-st -f "$TAPE" tell
runs "mt rewind again" mt-st -f "$TAPE" rewind
says "a buffer too small for its record" 'Cannot allocate memory' dd if="$TAPE" of=/dev/null bs=10000 count=1
runs "mt setblk 1024" mt-st -f "$TAPE" setblk 1024
says "mt status shows fixed blocks" 'Tape block size 1024' mt-st -f "$TAPE" status
runs "mt rewind for fixed blocks" mt-st -f "$TAPE" rewind
head -c 1048576 /dev/urandom > /tmp/fixed
dd if=/tmp/fixed of="$TAPE" bs=65536 2>/dev/null
mt-st -f "$TAPE" rewind
dd if="$TAPE" of=/tmp/fixed.read bs=131072 2>/dev/null
runs "many fixed blocks, each its own" cmp /tmp/fixed /tmp/fixed.read
runs "mt setblk back" mt-st -f "$TAPE" setblk 0
runs "tapeinfo" tapeinfo -f "$TAPE_SG"
says "tapeinfo: what it prints" "Product ID: 'ULT3580-TD8.*MaxBlock: 8388608.*DataCompEnabled: yes" tapeinfo -f "$TAPE_SG"
runs "sg_modes, all pages" sg_modes -a "$TAPE_SG"
runs "sg_logs, list" sg_logs "$TAPE_SG"
for page in 0x2 0x3 0xc 0x12 0x17 0x2e 0x30 0x31 0x32; do runs "sg_logs -p $page" sg_logs -p $page "$TAPE_SG"; done
says "sg_read_attr" 'Medium serial number|medium serial number' sg_read_attr "$TAPE_SG"
says "sg_read_block_limits" 'Maximum block size: 8388608' sg_read_block_limits "$TAPE_SG"
runs "sg_requests" sg_requests "$TAPE_SG"
says "REPORT DENSITY SUPPORT" '5c 5c 80.*5e 5e a0' sg_raw -r 200 "$TAPE_SG" 44 00 00 00 00 00 00 00 c8 00

echo "# reservations"
runs "sg_persist: register" sg_persist -n -o -G -S 0xabc "$TAPE_SG"
says "sg_persist: keys" '0xabc' sg_persist -n -i -k "$TAPE_SG"
runs "sg_persist: reserve" sg_persist -n -o -R -K 0xabc -T 3 "$TAPE_SG"
says "sg_persist: reservation" 'Exclusive Access' sg_persist -n -i -r "$TAPE_SG"
says "sg_persist: full status" 'Reservation holder' sg_persist -n -i -s "$TAPE_SG"
says "sg_persist: capabilities" 'Persist Through Power Loss Capable\(PTPL_C\): 1' sg_persist -n -i -c "$TAPE_SG"
runs "sg_persist: release" sg_persist -n -o -L -K 0xabc -T 3 "$TAPE_SG"
runs "sg_persist: clear" sg_persist -n -o -C -K 0xabc "$TAPE_SG"

echo "# partitions"
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "mt can-partitions" mt-st -f "$TAPE" stsetoptions can-partitions
runs "mt mkpartition" mt-st -f "$TAPE" mkpartition 100000
says "the page has two partitions" '11 0e 03 01' sg_raw -r 255 "$TAPE_SG" 1a 08 11 00 ff 00
echo zero > /tmp/zero; echo one > /tmp/one
runs "write to partition 0" dd if=/tmp/zero of="$TAPE" bs=64k
runs "mt setpartition 1" mt-st -f "$TAPE" setpartition 1
runs "write to partition 1" dd if=/tmp/one of="$TAPE" bs=64k
says "mt status: partition" 'partition=1' mt-st -f "$TAPE" status
runs "mt setpartition 0" mt-st -f "$TAPE" setpartition 0
runs "mt rewind" mt-st -f "$TAPE" rewind
says "read from partition 0" '^zero' dd if="$TAPE" bs=64k status=none
runs "mt partseek" mt-st -f "$TAPE" partseek 1 0
says "read from partition 1" '^one' dd if="$TAPE" bs=64k status=none
runs "mt setpartition 0 again" mt-st -f "$TAPE" setpartition 0
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "mt mkpartition 0" mt-st -f "$TAPE" mkpartition 0
says "the page has one partition" '11 0e 03 00' sg_raw -r 255 "$TAPE_SG" 1a 08 11 00 ff 00
runs "mt no can-partitions" mt-st -f "$TAPE" stclearoptions can-partitions

echo "# encryption"
printf '%s\nkey one\n' "$(printf '11%.0s' $(seq 32))" > /tmp/key-1
printf '%s\nkey two\n' "$(printf '22%.0s' $(seq 32))" > /tmp/key-2
runs "mt rewind" mt-st -f "$TAPE" rewind
says "stenc: nothing is encrypted" 'Drive Encryption: *off' stenc -f "$TAPE" --detail
for algorithm in "" "-a 1"; do
  runs "stenc $algorithm: key on" stenc -f "$TAPE" -e on -k /tmp/key-1 $algorithm
  says "stenc $algorithm: status" 'Drive Encryption: *on.*Key Instance Counter: *[1-9]' stenc -f "$TAPE" --detail
  runs "tar, encrypted" tar -b 512 -C / -cf "$TAPE" etc
  runs "mt offline" mt-st -f "$TAPE" offline
  runs "mtx unload" mtx -f "$CHANGER" unload 1 0
  runs "mtx load" mtx -f "$CHANGER" load 1 0
  mt-st -f "$TAPE" rewind
  runs "stenc $algorithm: off" stenc -f "$TAPE" -e off $algorithm
  fails "tar without the key" tar -b 512 -tf "$TAPE"
  mt-st -f "$TAPE" rewind
  runs "stenc $algorithm: another key" stenc -f "$TAPE" -e on -k /tmp/key-2 $algorithm
  fails "tar with another key" tar -b 512 -tf "$TAPE"
  mt-st -f "$TAPE" rewind
  runs "stenc $algorithm: the key" stenc -f "$TAPE" -e on -k /tmp/key-1 $algorithm
  runs "tar with the key" tar -b 512 -C / -df "$TAPE"
  mt-st -f "$TAPE" rewind
  runs "stenc $algorithm: off again" stenc -f "$TAPE" -e off $algorithm
done

echo "# backup and restore"
TREE=/usr/lib/modules
SIZE=$(du -sm $TREE | cut -f1)
runs "the tree has at least 200 MB ($SIZE)" test "$SIZE" -ge 200
mt-st -f "$TAPE" rewind
runs "tar -b 512 to tape" tar -b 512 -C / -cf "$TAPE" usr/lib/modules
mt-st -f "$TAPE" rewind
mkdir /tmp/restored
runs "tar from tape" tar -b 512 -C /tmp/restored -xf "$TAPE"
runs "what came back is what went" diff -r --no-dereference $TREE /tmp/restored/usr/lib/modules
rm -rf /tmp/restored
runs "mt offline" mt-st -f "$TAPE" offline
runs "mtx unload" mtx -f "$CHANGER" unload 1 0

echo "# one archive over two cartridges, by end of medium"
cat > /tmp/next-volume <<'S'
#!/bin/bash
# GNU tar asks for the next volume: the small cartridges are in slots 6 and 7.
exec >&2
mt-st -f $TAPE offline && mtx -f $CHANGER unload 6 0 && mtx -f $CHANGER load 7 0 && mt-st -f $TAPE rewind
S
chmod +x /tmp/next-volume
export TAPE CHANGER
runs "load the first small cartridge" mtx -f "$CHANGER" load 6 0
mt-st -f "$TAPE" rewind
head -c 90000000 /dev/urandom > /tmp/large
runs "tar -M writes over the end of the first" tar -b 512 -C /tmp -cMf "$TAPE" -F /tmp/next-volume large
runs "mt offline of the second" mt-st -f "$TAPE" offline
runs "unload the second" mtx -f "$CHANGER" unload 7 0
runs "load the first again" mtx -f "$CHANGER" load 6 0
mt-st -f "$TAPE" rewind
mkdir /tmp/out
runs "tar -M reads both" tar -b 512 -C /tmp/out -xMf "$TAPE" -F /tmp/next-volume
runs "the file is whole" cmp /tmp/large /tmp/out/large
finish
