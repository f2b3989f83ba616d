# coreutils and findutils that start processes or tell about the system.
here=$PWD
seq 10 | xargs -n 3 echo line; seq 6 | xargs -P 3 -I{} sh -c 'echo {} >p.{}'; cat p.*; rm p.*; printf 'a b\0c\0' | xargs -0 printf '<%s>'; echo
echo 1 2 | xargs -n1 sh -c 'exit 1'; echo "xargs $?"; xargs false </dev/null; echo "xargs $?"; seq 20000 | xargs echo | wc -c; xargs -r echo none </dev/null
env A=1 B=2 printenv A B; env -u HOME printenv HOME; echo "printenv $?"; env -i /usr/bin/env; env -C / pwd; env -S 'A=3 printenv A'; env nothing; echo "env $?"; env /work; echo "env $?"
nice -n 5 nice; nice -n 3 sh -c 'nice -n 4 nice'; nohup sh -c 'echo out; echo err >&2' >nohup.txt 2>&1; cat nohup.txt; rm nohup.txt; setsid true 2>/dev/null; stdbuf -oL echo line
timeout 5 echo quick; timeout 0.1 sleep 9; echo "timeout $?"; timeout --foreground 0.1 sleep 9; echo "timeout $?"; timeout -s INT 0.1 sleep 9; echo "timeout $?"; timeout --preserve-status 0.1 sleep 9; echo "timeout $?"; timeout 1 nothing; echo "timeout $?"; timeout 1 /work 2>/dev/null; echo "timeout $?"
sleep 0.05; echo "sleep $?"; sleep 0.01 0.01; sleep x 2>/dev/null; echo "sleep $?"
id -u; id -un; id -gn; whoami; groups; logname >/dev/null 2>&1; uname -s; uname -m; uname -o; arch; hostid | wc -c; tty; echo "tty $?"; tty -s; stty 2>/dev/null; echo "stty $?"; users; who | wc -l; pinky 2>/dev/null | wc -l; uptime >/dev/null 2>&1; [ "$(nproc)" -ge 1 ] && echo cpus
cd /; ls -d /proc/self /dev/null; cat /proc/self/comm; tr '\0' ' ' </proc/self/cmdline; echo; readlink /proc/self/cwd; readlink /proc/self/exe; readlink /proc/self/root; cat /proc/$$/comm; cat /proc/sys/kernel/ostype; cd "$here"
head -c 3 <(echo abcdef); echo; yes abc | head -n 2; yes | head -c 10000000 | wc -c; true; false; echo "false $?"; seq 100000 | sort -n | tail -1; mkfifo f; (cat f | tr a b) & echo aaa >f; wait; rm f
printf '%s\n' {1..50} | while read -r i; do /usr/bin/true; done; echo "fifty starts"; /usr/bin/[ a = a ]; echo $?; /usr/bin/echo -n "no newline"; echo; /usr/bin/printf '%q\n' "it's"; /usr/bin/kill -l 15 2>/dev/null; cat /etc/passwd | cut -d: -f1
truncate -s 3000000 big; cat big | cat | wc -c; dd if=big bs=64k 2>/dev/null | tee copy | md5sum; cmp big copy; tail -c 5 big | od -c; rm big copy
