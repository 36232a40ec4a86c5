# Boots systemd as process 1 of private namespaces over an overlay of `/`, says its pid on stdout, and takes it down at
# the end of stdin: that comes however the test ends.
#
# To be run by `unshare --mount`, so that every mount goes when this shell does. $1: a directory with programs.

set -eu
systemd=/usr/lib/systemd/systemd
test -x $systemd || { echo "there is no $systemd: install systemd" >&2; exit 1; }
programs=$1
# A directory that is everywhere. It is covered in here alone.
top=/mnt
root=$top/root

cd "$programs"
mount -t tmpfs -o mode=755 tmpfs $top
mkdir $top/upper $top/work $root $top/cgroup
mount -t overlay -o lowerdir=/,upperdir=$top/upper,workdir=$top/work overlay $root
mkdir -p $root/opt/tests
mount --bind . $root/opt/tests
cd /

# systemd takes over the whole cgroup tree that it sees, so that must be a tree of its own.
mount -t cgroup2 cgroup2 $top/cgroup
cgroup=$top/cgroup/systemd-test-$$
mkdir $cgroup

(
    echo 0 >$cgroup/cgroup.procs
    # If this shell is killed, unshare is, and with it process 1.
    exec setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup sh -eu -s $root 3>&1 <<'INIT'
    root=$1
    # From the old /proc: the pid as it is outside.
    read -r pid rest </proc/self/stat

    mount -t proc proc $root/proc
    # The kernel's settings and devices are not private.
    mount --bind $root/proc/sys $root/proc/sys
    mount -o remount,bind,ro $root/proc/sys
    mount -t sysfs -o ro sysfs $root/sys
    mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs $root/run
    mount -t tmpfs -o mode=1777 tmpfs $root/tmp
    # The machine's own journal is none of the test's.
    mount -t tmpfs -o mode=755 tmpfs $root/var/log
    mount -t tmpfs -o mode=755 tmpfs $root/dev
    for device in null zero full random urandom tty; do
        touch $root/dev/$device
        mount --bind /dev/$device $root/dev/$device
    done
    mkdir $root/dev/pts $root/dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts $root/dev/pts
    mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
    ln -s pts/ptmx $root/dev/ptmx
    ln -s /proc/self/fd $root/dev/fd

    # Only the units that every service rests on. What else the machine starts at boot would cost time, and might fail.
    units=$root/etc/systemd/system
    rm -rf $units
    mkdir -p $units/sysinit.target.wants
    for unit in basic.target sysinit.target sockets.target paths.target slices.target timers.target shutdown.target \
        systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
        ln -s /usr/lib/systemd/system/$unit $units
    done
    ln -s ../systemd-journald.service $units/sysinit.target.wants
    mkdir -p $root/run/systemd/system.conf.d $root/run/systemd/journald.conf.d
    printf '%s\n' '[Manager]' DefaultTimeoutStartSec=15s DefaultTimeoutStopSec=10s \
        >$root/run/systemd/system.conf.d/test.conf
    # The kernel's messages are not private either.
    printf '%s\n' '[Journal]' Storage=volatile ReadKMsg=no Audit=no >$root/run/systemd/journald.conf.d/test.conf

    cd $root
    mkdir .old
    pivot_root . .old
    umount -l .old
    rmdir .old
    echo $pid >&3
    exec env -i container=test PATH=/usr/sbin:/usr/bin SYSTEMD_GENERATOR_PATH=/nonexistent \
        SYSTEMD_UNIT_PATH=/run/systemd/system:/etc/systemd/system \
        /usr/lib/systemd/systemd --system --unit=basic.target --log-target=journal </dev/null >/dev/null 2>&1 3>&-
INIT
) &
unshare=$!
# So that its reader sees the end of a boot that fails.
exec >&-

cat >/dev/null

# It ignores SIGTERM. Process 1 dies with it, and all others with that.
kill -KILL $unshare 2>/dev/null || true
wait $unshare 2>/dev/null || true
# A cgroup is busy until the last of its processes is reaped.
until find $cgroup -depth -type d -exec rmdir {} + 2>/dev/null; do
    sleep 0.01
done
