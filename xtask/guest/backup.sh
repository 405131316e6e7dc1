# Bacula and Amanda: the scripts of the tests of `ferric run`, with less data. Daemon and open-iscsi both run in the guest.
. /job/checks.sh
INTERFACE="iSCSI, open-iscsi"
modprobe -a sg st ch iscsi_tcp
/job/ferric-iscsid --data /tmp/data --config /job/backup.toml --bind 127.0.0.1:3260 >/tmp/ready 2>/tmp/daemon.log &
DAEMON=$!
for _ in $(seq 300); do grep -q ready /tmp/ready && break; sleep 0.1; done
start_initiator
IQN=$(awk '{print $4}' /tmp/ready)
runs "discovery" iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260
ln -s "$(command -v mt-st)" /usr/local/bin/mt

log_in() { # TARGET
  runs "login" iscsiadm -m node -T "$1" -p 127.0.0.1:3260 --login
  runs "three units appear" wait_for_devices 3
  find_devices
}
# The block of the user documentation with this tag, for the devices of this guest.
documented() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" /job/run.md | sed "1d;\$d;s#/dev/sg0#$CHANGER#;s#/dev/nst0#${TAPES[0]}#;s#/dev/nst1#${TAPES[1]}#"; }
# Runs the script of a program in a directory with its configuration, as a user with the capability for all SCSI commands.
backup() { # PROGRAM USER
  local directory=/tmp/$1
  cat $(ls "/job/$1/daemons.sh" 2>/dev/null) "/job/$1/backup.sh" | sed "s#/dev/sg0#$CHANGER#" > "$directory/backup.sh"
  chown -R "$2" "$directory" /dev/st* /dev/nst* /dev/sg*
  (cd "$directory" && HOME=$directory LC_ALL=C.UTF-8 setpriv --reuid="$2" --regid="$2" --init-groups \
    --inh-caps=+sys_rawio --ambient-caps=+sys_rawio bash -eu -o pipefail backup.sh) >"/job/$1.log" 2>&1
}

log_in "$IQN"
mkdir /tmp/bacula
cp /job/bacula/*.conf /tmp/bacula
documented bacula-sd.conf >> /tmp/bacula/storage.conf
sed -i 's#/etc/bacula/scripts/mtx-changer#HERE/mtx-changer#; s#HERE#/tmp/bacula#g
  s/DIRECTOR_PORT/9101/; s/FILE_PORT/9102/; s/STORAGE_PORT/9103/' /tmp/bacula/*.conf
(cd /tmp/bacula && . /job/bacula/changer.sh)
runs "mtx load" mtx -f "$CHANGER" load 1 0
LARGE=20 PART=18 backup bacula bacula
note "Bacula: backups and restores" $? "$(tail -n 40 /job/bacula.log)"
says "Bacula: a job on two cartridges" 'End of medium on Volume "B1L8".*Wrote label to prelabeled Volume "B2L8"' cat /job/bacula.log
records "Bacula director (SQLite), storage and file daemon" bacula-director \
  "label barcodes; full backup of 20 MB; incremental backup; a job on two cartridges; restores, and comparison of all files"
runs "logout" iscsiadm -m node -T "$IQN" -p 127.0.0.1:3260 --logout

log_in "$IQN:amanda"
# Amanda resolves the names of its hosts, and of this one, for addresses that are not loopback ones (AI_ADDRCONFIG).
ip address add 192.0.2.1/32 dev lo
echo "127.0.0.1 $(hostname)" >> /etc/hosts
mkdir /tmp/amanda
documented amanda.conf | cat /job/amanda/amanda.conf - > /tmp/amanda/amanda.conf
sed -i 's#HERE#/tmp/amanda#g; s/length 140 /length 14 /; s/part-size 40 /part-size 4 /' /tmp/amanda/amanda.conf
LARGE=20 backup amanda backup
note "Amanda: backups and restores" $? "$(tail -n 40 /job/amanda.log)"
says "Amanda: a backup on two cartridges" '0 DAILY-1 1 1/6 OK.*0 DAILY-2 2 6/6 OK.*1 DAILY-3 1 1/1 OK' cat /job/amanda.log
records Amanda amanda-server "as the user backup, with chg-robot and amgtar: amlabel, amtape, amcheck; amdump of 20 MB on two cartridges, and incremental; amfetchdump, and comparison of all files"
runs "logout" iscsiadm -m node -T "$IQN:amanda" -p 127.0.0.1:3260 --logout
iscsiadm -k 0
kill -TERM $DAEMON
wait $DAEMON
note "the daemon ends with status 0" $? "$(cat /tmp/daemon.log)"
finish
