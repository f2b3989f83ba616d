# redis-benchmark against redis-server over a Unix socket and over the loopback, while the server saves in the background.
mkdir data; port=$((20000 + RANDOM % 20000))
redis-server --port $port --bind 127.0.0.1 --unixsocket /work/redis.sock --save '' --dir /work/data --logfile /work/data/log --io-threads 2 >/dev/null & server=$!
cli() { redis-cli -s /work/redis.sock "$@"; }
until [ "$(cli ping 2>/dev/null)" = PONG ]; do sleep 0.1; done
cli debug populate 20000 key 200; cli bgsave
bench() { redis-benchmark -q --csv "$@" | while IFS=, read -r name _; do echo "$name"; done; }
bench -s /work/redis.sock -n 2000 -c 20 -r 1000
cli bgsave >/dev/null; bench -h 127.0.0.1 -p $port -n 1000 -c 10 -P 16 -t set,get,incr,lpush,lrange_100
bench -s /work/redis.sock -n 1000 -c 10 --threads 2 -t set,get
cli exists counter:__rand_int__; cli strlen key:100
until [ "$(cli info persistence | tr -d '\r' | while IFS=: read -r n v; do [ "$n" = rdb_bgsave_in_progress ] && echo "$v"; done)" = 0 ]; do sleep 0.1; done
cli info persistence | tr -d '\r' | while IFS=: read -r n v; do [ "$n" = rdb_last_bgsave_status ] && echo "$v"; done
cli shutdown nosave; wait $server; echo "server $?"; rm -r data; rm -f redis.sock
