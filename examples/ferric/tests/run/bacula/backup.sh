# Backups of LARGE MiB, and of PART MiB on two cartridges, with the daemons of daemons.sh.
label Large 1
label Small 2-3

mkdir -p tree/many
head -c "${LARGE:=310}M" /dev/urandom > tree/large
head -c 500K /dev/urandom | split -a 3 -d -b 1K - tree/many/
ln tree/large tree/link
ln -s many tree/symbolic
truncate -s 16M tree/sparse

job "run job=Tree level=Full yes"
[ "$(bytes)" -ge $((LARGE * 1000000)) ]
echo changed > tree/many/007
echo new > tree/many/new
rm tree/many/008
job "run job=Tree level=Incremental yes"
[ "$(bytes)" -le 10000 ]
job "restore client=file-daemon fileset=Tree select current all done" yes
diff -r --no-dereference tree "restored$PWD/tree"
cmp tree/large "restored$PWD/tree/link"

mkdir part && head -c "${PART:=60}M" /dev/urandom > part/file
job "run job=Part yes"
grep -E 'End of medium|Wrote label to prelabeled|Volume name' log
job "restore client=file-daemon fileset=Part select current all done" yes
cmp part/file "restored$PWD/part/file"
mtx -f /dev/sg0 status | grep 'Transfer Element 0'
