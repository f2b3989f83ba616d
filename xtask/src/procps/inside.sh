# Runs inside the machine under Debian's bash. Makes a stopped family of processes that share pages with one another and with
# nobody else (libraries of their own in /private), asks procps about them, writes the answers into $OUT and waits for a line.
export PATH=/usr/bin:/bin
mkdir -p "$OUT"
bash="/private/ld-linux-aarch64.so.1 --library-path /private /private/bash --norc"
$bash -c '
    fill=$(printf %0300000d 7)
    ( more=$(printf %0150000d 5); kill -STOP $BASHPID; echo "$fill$more" ) &
    ( kill -STOP $BASHPID; echo "$fill" ) &
    # Ends once its parent cannot wait for it any more.
    ( while read -r line < /proc/$$/stat; do case $line in *") T "*) exit 3;; esac; done ) &
    kill -STOP $$
' &
main=$!
tries=0
until [ "$(echo $(ps -o state= --ppid $main) $(ps -o state= -p $main))" = "T T Z T" ]; do
    tries=$((tries + 1))
    [ $tries -gt 600 ] && { ps -ef > "$OUT/failed"; exit 1; }
    sleep 0.05
done
pids="$main $(echo $(pgrep -P $main))"
list=${pids// /,}
echo "$pids" > "$OUT/pids"
ps -ww -o pid= -o ppid= -o uid= -o vsz= -o rss= -o stat= -o nlwp= -o minflt= -o majflt= -o cputimes= -o ni= -o wchan:32= -o comm= -p $list > "$OUT/ps"
for pid in ${pids% *}; do
    pmap -XX $pid > "$OUT/pmap-XX.$pid"
    pmap -x $pid > "$OUT/pmap-x.$pid"
done
top -b -n1 -w 400 -p $list > "$OUT/top"
free -k > "$OUT/free"
for tool in "vmstat" "vmstat -s" "uptime" "w" "ps aux" "ps -eLf" "ps ul" "pidof ld-linux-aarch64.so.1" "pwdx $main" "slabtop -o" "ls -l /dev /proc /sys"; do
    $tool > "$OUT/${tool//[ \/]/_}" 2>&1
    echo "$? $tool" >> "$OUT/statuses"
done
: > "$OUT/ready"
read -r line
kill -KILL $pids 2> /dev/null
exit 0
