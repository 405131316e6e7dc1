# Backups of LARGE MiB with Amanda, in the directory with its configuration. Amanda finds configurations in /etc/amanda only.
name=ferric-test-$$
trap 'rm "/etc/amanda/$name"' EXIT
ln -s "$PWD" "/etc/amanda/$name"
mkdir info index log lists tree restored
touch tapelist
echo "localhost $PWD/tree tree" > disklist

for slot in {1..5}; do amlabel "$name" "DAILY-$slot" slot "$slot"; done
amtape "$name" inventory
amcheck "$name"

head -c "${LARGE:=200}M" /dev/urandom > tree/large
head -c 300K /dev/urandom | split -a 3 -d -b 1K - tree/
ln -s large tree/symbolic
amdump "$name"
echo changed > tree/007
echo new > tree/new
rm tree/008
amdump "$name"
# Level, label, file on the cartridge and part of each part.
amadmin "$name" find | awk '/localhost/ { print $5, $8, $9, $10, $11 }'

for level in 0 1; do
  amfetchdump -a -p "$name" localhost "^$PWD/tree\$" 20 "$level" < /dev/null | tar -xf - -g /dev/null -C restored
done
diff -r --no-dereference tree restored
