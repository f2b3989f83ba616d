# coreutils about the system: what stands in /proc and /dev.
df / >/dev/null; echo "df $?"; df --output=target / | tail -1; df -i / | wc -l
ls -d /dev/fd /dev/null /proc/self; ls /proc/self/fd | head -3; readlink -f /dev/fd | tr -d 0-9; ls -l /proc/self/fd/0 | wc -l
cat /proc/self/mounts | grep -c ' / '; cut -d' ' -f1 /proc/loadavg | tr -d 0-9; grep -c '^Mem' /proc/meminfo; uptime >/dev/null; echo "uptime $?"
