# redis with $1 MB, a background save (a fork) while it is written to, and a start from the file.
start() {
    redis-server --port 0 --unixsocket /work/redis.sock --daemonize no --save '' --dir /work --logfile log \
        --enable-debug-command yes --rdbcompression no >/dev/null & server=$!
    until [ "$(redis-cli -s /work/redis.sock ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
}
cli() { redis-cli -s /work/redis.sock "$@"; }
field() { cli info persistence | tr -d '\r' | while IFS=: read -r name value; do [ "$name" = "$1" ] && echo "$value"; done; }
start
cli debug populate $(($1 * 1024)) key 900; cli dbsize
before=$(cli debug digest); echo "$before"
cli bgsave
for i in {1..200}; do echo "set key:$((i * 37)) changed$i"; echo "append key:$((i * 41)) more"; done | cli >/dev/null
while [ "$(field rdb_bgsave_in_progress)" != 0 ]; do sleep 0.1; done
field rdb_last_bgsave_status; cli get key:37; cli debug digest
cli shutdown nosave; wait $server; echo "server $?"
start; cli dbsize
after=$(cli debug digest); [ "$before" = "$after" ] && echo "the file is the state at the fork"
cli shutdown nosave; wait $server; echo "server $?"; rm -f dump.rdb log redis.sock
