# The daemon runs on the host, and QEMU's own iSCSI initiator attaches its units to the guest.
. /job/checks.sh
INTERFACE="iSCSI, QEMU's initiator"
modprobe -a virtio_scsi sg st ch
runs "three units appear" wait_for_devices 3
find_devices

echo "# identities"
says "lsscsi: the changer" 'mediumx STK +L700 +0310' lsscsi
says "lsscsi: two drives" 'tape +IBM +ULT3580-TD8 +MA21.*tape +IBM +ULT3580-TD8 +MA21' lsscsi
says "sg_inq of a drive" 'IBM.*ULT3580-TD8.*MA21.*Unit serial number: [0-9A-F]{10}' sg_inq "$TAPE_SG"
says "sg_inq of the changer" 'medium changer.*STK.*L700' sg_inq "$CHANGER"
for page in sv sn di ei mpp 0xb0 0xb1 0xb3 0xb4 0xb5 0xc0 0xc1; do runs "sg_vpd -p $page" sg_vpd -p $page "$TAPE_SG"; done
says "sg_vpd: identifiers" 'vendor id: IBM.*Relative target port: 0x1.*SCSI name string' sg_vpd -p di "$TAPE_SG"
fails "sg_vpd of a missing page" sg_vpd -p 0xc8 "$TAPE_SG"
runs "sg_luns" sg_luns "$CHANGER"
sg_turs "$TAPE_SG" >/dev/null 2>&1 # clears the unit attention that QEMU itself raises
says "sg_opcodes of a drive" 'Read\(6\).*Write\(6\).*Locate\(16\)' sg_opcodes "$TAPE_SG"
says "sg_opcodes with timeouts" '60 +1200 +Read\(6\)' sg_opcodes -R "$TAPE_SG"
says "sg_opcodes: one command" 'Usage data: 11 0f ff ff ff 00' sg_opcodes -o 0x11 "$TAPE_SG"
says "sg_opcodes: task management" 'Abort task' sg_opcodes -t "$TAPE_SG"

echo "# changer"
says "mtx inquiry" "Medium Changer.*STK" mtx -f "$CHANGER" inquiry
says "mtx status: shape" '2 Drives, 24 Slots \( 4 Import/Export \)' mtx -f "$CHANGER" status
says "mtx status: barcodes" 'Storage Element 1:Full :VolumeTag=V00001L8.*Storage Element 9:Full :VolumeTag=W00001LY.*Storage Element 10:Empty.*IMPORT/EXPORT:Empty' mtx -f "$CHANGER" status
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
says "mt tell after four files" 'At block 28' mt-st -f "$TAPE" tell
runs "mt rewind to read" mt-st -f "$TAPE" rewind
runs "mt fsf 2" mt-st -f "$TAPE" fsf 2
says "mt tell at file 2" 'At block 14' mt-st -f "$TAPE" tell
dd if="$TAPE" of=/tmp/read3 bs=50000 2>/dev/null
runs "file 2 reads back" cmp /tmp/part3 /tmp/read3
runs "mt bsf 2" mt-st -f "$TAPE" bsf 2
says "mt tell before a filemark" 'At block 13' mt-st -f "$TAPE" tell
runs "mt fsf over it" mt-st -f "$TAPE" fsf 1
dd if="$TAPE" of=/tmp/read3 bs=50000 count=6 2>/dev/null
runs "file 2 reads back again" cmp /tmp/part3 /tmp/read3
runs "mt seek 7" mt-st -f "$TAPE" seek 7
dd if="$TAPE" of=/tmp/read2 bs=50000 2>/dev/null
runs "file 1 reads back" cmp /tmp/part2 /tmp/read2
runs "mt eod" mt-st -f "$TAPE" eod
says "mt tell at end of data" 'At block 28' mt-st -f "$TAPE" tell
runs "mt weof 2" mt-st -f "$TAPE" weof 2
says "mt tell after two filemarks" 'At block 30' mt-st -f "$TAPE" tell
runs "mt rewind again" mt-st -f "$TAPE" rewind
says "a buffer too small for its record" 'Cannot allocate memory' dd if="$TAPE" of=/dev/null bs=10000 count=1
runs "mt setblk 1024" mt-st -f "$TAPE" setblk 1024
says "mt status shows fixed blocks" 'Tape block size 1024' mt-st -f "$TAPE" status
runs "mt rewind for fixed blocks" mt-st -f "$TAPE" rewind
head -c 1048576 /dev/urandom > /tmp/fixed
dd if=/tmp/fixed of="$TAPE" bs=65536 2>/dev/null
mt-st -f "$TAPE" rewind
dd if="$TAPE" of=/tmp/fixed.read bs=131072 2>/dev/null
runs "many fixed blocks read back" cmp /tmp/fixed /tmp/fixed.read
runs "mt setblk back" mt-st -f "$TAPE" setblk 0
runs "tapeinfo" tapeinfo -f "$TAPE_SG"
says "tapeinfo: what it prints" "Product ID: 'ULT3580-TD8.*MaxBlock: 8388608.*DataCompEnabled: yes" tapeinfo -f "$TAPE_SG"
runs "sg_modes, all pages" sg_modes -a "$TAPE_SG"
runs "sg_logs, list" sg_logs "$TAPE_SG"
for page in 0x2 0x3 0x6 0xc 0x10 0x11 0x12 0x14 0x16 0x17 0x18 0x1a 0x1b 0x2e 0x2f 0x30 0x31 0x32 0x33 0x34 0x37 0x38 0x39 0x3b 0x3c 0x3d; do
  runs "sg_logs -p $page" sg_logs -p $page "$TAPE_SG"
done
runs "sg_logs, all pages" sg_logs -a "$TAPE_SG"
says "sg_logs: volume statistics" 'Thread count: [1-9]|Mount' sg_logs -p 0x17 "$TAPE_SG"
says "sg_logs: TapeAlert" 'Write protect: 0' sg_logs -p 0x2e "$TAPE_SG"
says "sg_read_attr" 'Medium serial number|medium serial number' sg_read_attr "$TAPE_SG"
says "sg_read_attr: load count and drives" 'Load count: [1-9].*IBM' sg_read_attr "$TAPE_SG"
runs "sg_read_attr: the list" sg_read_attr -s 1 "$TAPE_SG"
says "sg_read_attr: partitions" 'number of partitions|Number of partitions|partition' sg_read_attr -s 3 "$TAPE_SG"
runs "sg_senddiag: default self-test" sg_senddiag -t "$TAPE_SG"
runs "sg_senddiag: short self-test" sg_senddiag -s 5 "$TAPE_SG"
says "sg_logs: its result" '[Cc]ompleted without error' sg_logs -p 0x10 "$TAPE_SG"
runs "sg_senddiag: pages" sg_senddiag -l "$TAPE_SG"
says "READ BUFFER: descriptor" '00 01 00 00' sg_raw -r 4 "$TAPE_SG" 3c 03 00 00 00 00 00 00 04 00
head -c 512 /dev/urandom > /tmp/buffer
runs "sg_write_buffer: data" sg_write_buffer -m data -l 512 -I /tmp/buffer "$TAPE_SG"
runs "READ BUFFER: data" sh -c "sg_raw -b -o /tmp/buffer.read -r 512 $TAPE_SG 3c 02 00 00 00 00 00 02 00 00 && cmp /tmp/buffer.read /tmp/buffer"
fails "sg_write_buffer: unknown microcode" sg_write_buffer -m dmc_save -l 512 -I /tmp/buffer "$TAPE_SG"
runs "sg_ident: set" sh -c "echo tape-one | sg_ident -S $TAPE_SG"
says "sg_ident" 'tape-one' sg_ident -A "$TAPE_SG"
runs "sg_timestamp" sg_timestamp "$TAPE_SG"
says "mt densities" '0x5e +LTO-8' mt-st densities
runs "mt setdensity" mt-st -f "$TAPE" setdensity 0x5e
fails "mt setdensity of another" mt-st -f "$TAPE" setdensity 0x58
runs "mt drvbuffer 0" mt-st -f "$TAPE" drvbuffer 0
says "writes are not buffered" '00 +[0-9a-f]+ 88 00|0b 88 00 08' sg_raw -r 12 "$TAPE_SG" 1a 00 00 00 0c 00
runs "mt drvbuffer 1" mt-st -f "$TAPE" drvbuffer 1
for option in buffer-writes async-writes read-ahead two-fms fast-eod no-blklimits scsi2logical sysv; do
  runs "mt stsetoptions $option" mt-st -f "$TAPE" stsetoptions $option
done
runs "mt rewind with all of them" mt-st -f "$TAPE" rewind
runs "tar with all of them" tar -b 64 -C / -cf "$TAPE" etc
says "mt tell, logical" 'At block [1-9]' mt-st -f "$TAPE" tell
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "tar compares" tar -b 64 -C / -df "$TAPE"
runs "mt eod with all of them" mt-st -f "$TAPE" eod
for option in two-fms fast-eod no-blklimits scsi2logical sysv; do mt-st -f "$TAPE" stclearoptions $option; done
runs "mt defblksize" mt-st -f "$TAPE" defblksize 0
runs "mt defcompression" mt-st -f "$TAPE" defcompression -1
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

echo "# logical block protection, capacity"
# CRC-32C of "abc" is 364b3fb7; the drive checks and removes it.
runs "mt rewind" mt-st -f "$TAPE" rewind
printf '\0\0\020\0\112\360\0\034\002\004\300' > /tmp/lbp; head -c 25 /dev/zero >> /tmp/lbp
runs "protection on" sg_raw -s 36 -i /tmp/lbp "$TAPE_SG" 15 10 00 00 24 00
printf 'abc\267\077\113\066' > /tmp/protected
runs "a protected block" sg_raw -s 7 -i /tmp/protected "$TAPE_SG" 0a 00 00 00 07 00
printf 'abd\267\077\113\066' > /tmp/broken
fails "a broken block" sg_raw -s 7 -i /tmp/broken "$TAPE_SG" 0a 00 00 00 07 00
runs "rewind" sg_raw "$TAPE_SG" 01 00 00 00 00 00
says "the block and its protection" '61 62 63 b7 3f 4b 36' sg_raw -r 7 "$TAPE_SG" 08 00 00 00 07 00
printf '\0\0\020\0\112\360\0\034\0\004\0' > /tmp/lbp; head -c 25 /dev/zero >> /tmp/lbp
runs "protection off" sg_raw -s 36 -i /tmp/lbp "$TAPE_SG" 15 10 00 00 24 00
runs "rewind" sg_raw "$TAPE_SG" 01 00 00 00 00 00
runs "half the capacity" sg_raw "$TAPE_SG" 0b 00 00 80 00 00
says "TapeAlert flag is set" '12 00 00 0c 00 00 .. 08 +.. .. .. .. .. .. [89a-f]. ' sg_raw -r 16 "$TAPE_SG" 4d 00 52 00 00 00 00 00 10 00
runs "all of the capacity" sg_raw "$TAPE_SG" 0b 00 00 ff ff 00

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
runs "restored tree equals the original" diff -r --no-dereference $TREE /tmp/restored/usr/lib/modules
rm -rf /tmp/restored
runs "mt offline" mt-st -f "$TAPE" offline
runs "mtx unload" mtx -f "$CHANGER" unload 1 0

echo "# WORM cartridge"
runs "load it" mtx -f "$CHANGER" load 9 0
runs "mt rewind" mt-st -f "$TAPE" rewind
says "mode page 1Dh: it is WORM" '1d 1e 01' sg_raw -r 255 "$TAPE_SG" 1a 08 1d 00 ff 00
says "sg_read_attr: it is WORM" 'Medium type: 0x80' sg_read_attr "$TAPE_SG"
runs "tar to it" tar -b 64 -C / -cf "$TAPE" etc
runs "tar after it" tar -b 64 -C / -cf "$TAPE" etc/passwd
runs "mt rewind" mt-st -f "$TAPE" rewind
fails "tar over it" tar -b 64 -C / -cf "$TAPE" etc
says "TapeAlert flag is set" 'WORM.*overwrite attempted: 1' sg_logs -p 0x2e "$TAPE_SG"
fails "mt erase" mt-st -f "$TAPE" erase
runs "mt rewind" mt-st -f "$TAPE" rewind
runs "tar compares the first archive" tar -b 64 -C / -df "$TAPE"
runs "mt offline" mt-st -f "$TAPE" offline
runs "mtx unload" mtx -f "$CHANGER" unload 9 0

echo "# one archive over two cartridges, by end of medium"
cat > /tmp/next-volume <<'S'
#!/bin/bash
# GNU tar prompts for the next volume: the small cartridges are in slots 6 and 7.
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
runs "the file is complete" cmp /tmp/large /tmp/out/large

records mtx mtx "inquiry, status, inventory, load, unload, transfer"
records loaderinfo mtx "configuration of the changer"
records tapeinfo mtx "drive and cartridge"
records mt mt-st "positions, filemarks, block sizes, compression, options, partitions, erase of a WORM cartridge (refused)"
records lsscsi lsscsi "list of all units"
records sg3_utils sg3-utils "sg_inq, sg_vpd, sg_luns, sg_opcodes, sg_modes, sg_logs, sg_read_attr, sg_senddiag, sg_write_buffer, sg_ident, sg_timestamp, sg_read_block_limits, sg_requests, sg_persist, sg_raw"
records stenc stenc "keys for both algorithms; reading with, without and with another key"
records dd coreutils "blocks of 50000 bytes; fixed blocks of 1024 bytes; a buffer that is too small"
records tar tar "-b 512: backup and restore of 200 MB, and comparison of all files"
records tar tar "-M: an archive on two cartridges"
finish
