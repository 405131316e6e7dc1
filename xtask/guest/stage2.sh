#!/bin/bash
# Second stage of the guest: sets up the file systems that tools expect, runs the job, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777,size=80% tmpfs /tmp
mkdir -p /dev/shm /dev/pts /run/lock
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
hostname guest
ip link set lo up
dmesg -n 4
cd /tmp
bash /job/job.sh </dev/null >/job/output.log 2>&1
status=$?
dmesg > /job/dmesg.log
echo $status > /job/exitcode
sync
echo o > /proc/sysrq-trigger
sleep 10
