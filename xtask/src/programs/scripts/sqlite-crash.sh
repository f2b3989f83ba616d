# sqlite3 is killed in the middle of a transaction; the next one rolls it back. In both journal modes.
for mode in delete wal; do
    db=$mode.db
    sqlite3 $db "pragma journal_mode = $mode; create table t(id integer primary key, word text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t(word) select hex(zeroblob(100)) from n;"
    mkfifo orders; sqlite3 $db <orders >answers 2>/dev/null & victim=$!
    exec 3>orders; rm orders
    # A cache of ten pages: the transaction is written to the file before it ends.
    echo "pragma cache_size = 10; begin immediate; update t set word = 'changed'; insert into t(word) select word from t; select 'in it: ' || count(*) from t where word = 'changed';" >&3
    until [[ $(<answers) == *"in it"* ]]; do sleep 0.05; done
    echo "$(<answers)"
    sqlite3 $db "pragma busy_timeout = 0; insert into t(word) values('locked out');" 2>&1 | sed 's/.*database/database/'
    kill -9 $victim; wait $victim 2>/dev/null; echo "victim $?"; exec 3>&-
    for file in $db-journal $db-wal; do [ -s $file ] && echo "$file is left"; done
    sqlite3 $db "pragma integrity_check; select count(*), sum(word = 'changed') from t;"
    sqlite3 $db "insert into t(word) values('new'); select count(*) from t; pragma integrity_check;"
    for file in $db-journal $db-wal; do [ -e $file ] && echo "$file is still there"; done
    rm -f answers
done
# Several writers at once: each takes its turn.
sqlite3 many.db "create table n(i)"; for w in 1 2 3 4; do for k in 1 2 3; do sqlite3 -cmd ".timeout 60000" many.db "insert into n values($w * 10 + $k)"; done & done; wait
sqlite3 many.db "select count(*), sum(i) from n; pragma integrity_check"; rm -f *.db
