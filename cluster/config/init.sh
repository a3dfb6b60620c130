# The first process of a place (control plane or node), inside its own namespaces. When it ends,
# the kernel ends everything else in them and drops every mount, link and route.
set -e
mount --make-rshared /
# What components leave in these folders is gone with the namespace.
for folder in /run /var/log; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /run/netns /run/lock
echo 1 > /proc/sys/net/ipv4/ip_forward
if [ -d /proc/sys/net/ipv6 ]; then
    for which in all default; do echo 1 > "/proc/sys/net/ipv6/conf/$which/disable_ipv6"; done
fi
echo ready
# An ignored SIGCHLD survives exec, and the kernel then reaps every orphan by itself.
trap '' CHLD
exec sleep infinity > /dev/null 2>&1
