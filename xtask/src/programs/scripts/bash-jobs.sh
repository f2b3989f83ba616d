# bash: job control without a terminal.
set -m
sleep 100 & sleep 101 & sleep 102 &
jobs | sed 's/  */ /g'
kill %2; wait %2; echo "second $?"
jobs -r | wc -l
kill -STOP %1; while [ -z "$(jobs -s)" ]; do sleep 0.02; done
jobs -s | sed 's/  */ /g'
bg %1 >/dev/null
kill %1; wait %1; echo "first $?"
kill -9 %3; { wait %3; echo "third $?"; } 2>/dev/null
(exit 3) & wait $!; echo "$?"
(sleep 0.2; exit 5) & fg %% >/dev/null; echo "fg $?"
sleep 0.1 & sleep 0.1 & wait; echo "all done $?"; jobs >/dev/null
(sleep 0.05; exit 1) & (sleep 100; exit 2) & last=$!
wait -n; echo "next $?"
kill -- -$last; wait $last; echo "group $?"
sleep 50 | cat | cat & kill %%; wait; echo "pipeline ${PIPESTATUS[*]}"
set +m
sleep 100 & disown; kill $!; echo "disowned"
sleep 0.5; trap 'echo child' CHLD; /usr/bin/true; trap - CHLD
bash -c 'sleep 0.1 & wait -n -p id; [ $id = $! ] && echo same'
bash -c 'set -m; bash -c "kill -STOP \$\$; echo continued" & while [ -z "$(jobs -s)" ]; do sleep 0.02; done; fg >/dev/null; echo "after $?"'
bash -c 'set -m; (kill -TSTP $BASHPID; echo on) & while [ -z "$(jobs -s)" ]; do sleep 0.02; done; kill -CONT %1; wait; echo "tstp $?"' 2>/dev/null # "Done" is told, or not, as the race goes
hash -r; type -t jobs; jobs
for i in {1..30}; do (exit $i) & ids[i]=$!; done
sum=0; for i in {1..30}; do wait ${ids[i]}; ((sum += $?)); done; echo "sum $sum"
