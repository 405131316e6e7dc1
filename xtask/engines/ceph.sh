#!/bin/sh
# Runs the tests of shelves on Ceph RGW (a monitor, three OSDs in memory, a gateway): xtask/engines/ceph.sh DIRECTORY [TEST…]
# Needs root and Debian's packages ceph-mon, ceph-osd, ceph-mgr, ceph-common, ceph-base and radosgw; run in the root of the workspace.
set -eu
mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
ports=$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
monitor=${ports% *} gateway=${ports#* }
export CEPH_CONF="$directory/ceph.conf"
cat > "$CEPH_CONF" <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v1:127.0.0.1:$monitor]
mon initial members = a
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = $directory
log file = $directory/\$name.log
mon data = $directory/mon
osd data = $directory/osd\$id
osd objectstore = memstore
memstore device bytes = 4294967296
osd crush chooseleaf type = 0
osd pool default size = 3
osd pool default min size = 2
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
mon warn on pool no redundancy = false
setuser match path =
rgw data = $directory/rgw
END
processes=""
trap 'kill -9 $processes 2> /dev/null; wait' EXIT
fsid=$(sed -n 's/^fsid = //p' "$CEPH_CONF")
monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$monitor]" --clobber "$directory/monmap" > /dev/null
mkdir -p "$directory/mon" "$directory/rgw"
ceph-mon --mkfs -i a --monmap "$directory/monmap"
ceph-mon -f -i a > "$directory/mon.out" 2>&1 &
processes="$processes $!"
for number in 0 1 2; do
  id=$(timeout 60 ceph osd create)
  mkdir -p "$directory/osd$id"
  ceph-osd -i "$id" --mkfs > /dev/null 2>&1
  ceph-osd -f -i "$id" > "$directory/osd$id.out" 2>&1 &
  processes="$processes $!"
done
until [ "$(ceph osd stat -f json | python3 -c 'import json, sys; print(json.load(sys.stdin)["num_up_osds"])')" = 3 ]; do sleep 0.5; done
radosgw-admin user create --uid=test --display-name=test --access-key=ferric-test --secret-key=ferric-test-secret > /dev/null
radosgw -f -n client.rgw --rgw-frontends="beast endpoint=127.0.0.1:$gateway" > "$directory/rgw.out" 2>&1 &
processes="$processes $!"
until curl --silent --output /dev/null "http://127.0.0.1:$gateway/"; do sleep 0.5; done

export AWS_ENDPOINT="http://127.0.0.1:$gateway" AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=ferric-test AWS_SECRET_ACCESS_KEY=ferric-test-secret FERRIC_TEST_SHELF=s3://ferric-test/site
python3 - <<'END'
# Creates the bucket, with a request that is signed as AWS Signature Version 4 requires.
import hashlib, hmac, os, time, urllib.request
host, now = os.environ["AWS_ENDPOINT"][7:], time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
empty, scope = hashlib.sha256(b"").hexdigest(), now[:8] + "/us-east-1/s3/aws4_request"
names = "host;x-amz-content-sha256;x-amz-date"
request = f"PUT\n/ferric-test\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\n{names}\n{empty}"
text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
for part in scope.split("/") + [text]:
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
signature = f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
headers = {"x-amz-content-sha256": empty, "x-amz-date": now, "Authorization": signature}
urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT"] + "/ferric-test", method="PUT", headers=headers))
END
if [ $# -gt 0 ]; then
  "$@"
else
  cargo test --quiet --package shelf --features s3 --test engine -- --ignored
  cargo test --quiet --package iscsid --test shared_shelf --test sites --test shelf_machines
  cargo test --quiet --package iscsid --test store_faults -- --ignored
fi
