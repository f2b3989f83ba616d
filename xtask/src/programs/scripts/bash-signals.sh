# bash: traps and what signals do to children.
trap 'echo "USR1 in $FUNCNAME"' USR1
f() { kill -USR1 $$; echo "f goes on"; }; f
trap 'echo RTMIN' RTMIN; kill -RTMIN $$
trap 'echo "err $?"' ERR; false; trap - ERR
trap 'echo "debug: $BASH_COMMAND"' DEBUG; x=1; trap - DEBUG
f() { trap 'echo returned' RETURN; echo body; }; f; trap - RETURN
for s in HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT; do
    bash -c "ulimit -c 0; kill -$s \$\$; sleep 1"; echo "$s $?"
done 2>/dev/null
bash -c 'trap "" TERM; kill -TERM $$; bash -c "kill -TERM \$\$; echo inherited"; echo lived'
bash -c 'trap "echo cleanup" EXIT; exit 6'; echo $?
bash -c 'trap "echo cleanup; exit 7" TERM; kill $$; sleep 5'; echo $?
bash -c 'trap "echo hit" USR1; (sleep 0.1; kill -USR1 $$) & wait $!; echo "wait $?"; wait; echo "wait $?"'
bash -c 'trap "n=\$((n+1))" USR2; for i in {1..50}; do kill -USR2 $$; done; echo $n'
timeout 0.2 sleep 5; echo "timeout $?"
{ timeout -s KILL 0.2 sleep 5; echo "timeout -s KILL $?"; } 2>/dev/null
timeout 5 bash -c 'exit 4'; echo "inside $?"
kill -l 9 15 34 64 | tr '\n' ' '; echo
kill -0 $$ && echo alive; kill -0 999999 2>/dev/null || echo "no such process"
(sleep 0.05; kill -INT $$) & trap 'echo interrupted; trap - INT' INT; sleep 0.3; echo next
bash -c 'read -t 0.1 x; echo "read $?"' </dev/zero | tr -d '\0'
bash -c 'TMOUT=1; read -t 0.2 x < <(sleep 1); echo "read timed out $(($? > 128))"'
trap -p | sort
trap 'echo "leaving $?"' EXIT
exit 3
