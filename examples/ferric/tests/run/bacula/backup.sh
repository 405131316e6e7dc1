# Backups with Bacula's three daemons, in the directory with their configuration, of LARGE MiB, and of PART MiB on two
# cartridges.
console() { bconsole -n -c "$PWD/console.conf"; }
# Runs the lines of a job on the console, waits for its end, and shows the log since its start if it failed.
job() {
  : > log
  printf '%s\n' "$@" wait | console > console.out
  grep -q "Termination: *\(Backup\|Restore\) OK$" log || { cat console.out log; return 1; }
}
bytes() { sed -n 's/^ *SD Bytes Written: *\([0-9,]*\).*/\1/p' log | tr -d ,; }

[ -s bacula.db ] || sqlite3 bacula.db < /usr/share/dbconfig-common/data/bacula-director-sqlite3/install/sqlite3
bacula-sd -f -c "$PWD/storage.conf" &
bacula-fd -f -c "$PWD/file.conf" &
bacula-dir -f -c "$PWD/director.conf" &
trap 'kill $(jobs -p); wait' EXIT
until echo version | console > /dev/null 2>&1; do sleep 0.1; done

label() { printf '%s\n' "label storage=Library pool=$1 slots=$2 drive=0 barcodes" yes | console | grep 'successfully created'; }
# The jobs.
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
