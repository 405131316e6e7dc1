# Prepares Debian's script for changers. It writes into a directory of Bacula, so a copy of it is used.
scripts=/etc/bacula/scripts
sed "s#/var/lib/bacula#$PWD#g; s#$scripts/mtx-changer.conf#$PWD/mtx-changer.conf#g" $scripts/mtx-changer > mtx-changer
cp $scripts/mtx-changer.conf . && chmod 755 mtx-changer
