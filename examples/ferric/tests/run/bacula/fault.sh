# A backup of 50 MB on two cartridges with write errors in the middle of the first one, its restore, and a restore with a block that
# cannot be read, with the daemons of daemons.sh.
label Small 1-2
mkdir part && head -c 50M /dev/urandom > part/file
ferric fault add --fault 'name = "one error", kind = "write_error", commands = ["WRITE"], after_mb = 10'
ferric fault add --fault 'name = "bad spot", kind = "write_error", commands = ["WRITE"], barcode = "B2L8", after_mb = 20, until_cleared = true'
job "run job=Part yes" > warned || grep -q "Backup OK -- with warnings" log
grep -E 'End of [mM]|New volume|Volume name|Termination' log
ferric fault list
ferric fault clear
job "restore client=file-daemon fileset=Part select current all done" yes
cmp part/file "restored$PWD/part/file" && echo same
ferric fault add --fault 'name = "bad block", kind = "read_error", barcode = "B2L8", records = [20, 20], until_cleared = true'
rm -r restored
job "restore client=file-daemon fileset=Part select current all done" yes > failed || grep -E 'Read error|ERR=|Bytes Restored|Termination' log
