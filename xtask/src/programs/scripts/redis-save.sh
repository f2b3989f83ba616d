# redis-server with a background save (fork) while it is written to, a restart from the file, and its append-only log.
mkdir data; cd data
start() {
    redis-server --port 0 --unixsocket /work/redis.sock --daemonize no --save '' --dir /work/data --logfile log --loglevel notice "$@" >/dev/null & server=$!
    until [ "$(redis-cli -s /work/redis.sock ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
}
cli() { redis-cli -s /work/redis.sock "$@"; }
field() { cli info "$1" | tr -d '\r' | while IFS=: read -r name value; do [ "$name" = "$2" ] && echo "$value"; done; }
start
cli set greeting hello; cli get greeting; cli incrby n 41; cli incr n; cli rpush list a b c; cli lrange list 0 -1; cli sadd set x y x; cli hset hash f 1 g 2; cli zadd sorted 2 b 1 a; cli zrange sorted 0 -1 withscores; cli type hash; cli get nothing; cli lpop greeting
cli eval "local s = 0 for i = 1, 1000 do s = s + i end return {s, redis.call('get', KEYS[1])}" 1 greeting
cli debug populate 20000 key 100; cli dbsize
cli bgsave; before=$(cli lastsave)
for i in {1..20}; do echo "set key:$i changed$i"; echo "append during $i,"; done | cli >/dev/null
for i in {1..10}; do cli set "key:$i" "later$i" >/dev/null; done
while [ "$(field persistence rdb_bgsave_in_progress)" != 0 ]; do cli incr busy >/dev/null; sleep 0.02; done
field persistence rdb_last_bgsave_status; cli get key:5; cli get key:15; [ -s dump.rdb ] && echo "dump.rdb is there"
redis-check-rdb dump.rdb | while read -r line; do case $line in *"looks OK"*) echo "rdb ok" ;; esac; done
cli save; cli shutdown nosave; wait $server; echo "server $?"
start; cli dbsize; cli get key:7; cli lrange list 0 -1; cli get during; cli strlen key:19999
cli config set appendonly yes; while [ "$(field persistence aof_rewrite_in_progress)" != 0 ]; do sleep 0.05; done
cli set logged yes; printf 'multi\nset a 1\nincr a\nexec\n' | cli; kill -9 $server; wait $server 2>/dev/null; echo "server $?"
start --appendonly yes; cli get logged; cli get a; cli dbsize; (cli blpop queue 10) & blocked=$!; sleep 0.3; cli rpush queue item >/dev/null; wait $blocked; cli set short x px 50; sleep 0.2; cli exists short
(cli subscribe channel | head -n 6) & sub=$!; until [ "$(cli publish channel message)" = 1 ]; do sleep 0.05; done; cli publish channel second >/dev/null; sleep 0.1; cli client kill type pubsub >/dev/null; wait $sub
cli flushall; cli dbsize; cli shutdown nosave; wait $server; echo "server $?"; cd /work; rm -rf data redis.sock
