# Starts Bacula's three daemons in the directory with their configuration, and defines what jobs need.
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
