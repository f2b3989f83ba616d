# bash: process substitution, coprocesses, pipes, redirections, here-documents.
read -r first; echo "got: $first"
diff <(printf '%s\n' a b c) <(printf '%s\n' a x c)
paste -d+ <(seq 3) <(seq 4 6)
echo tee | tee >(tr a-z A-Z >upper) >/dev/null; while [ ! -s upper ]; do sleep 0.01; done; cat upper
coproc UP { while read -r l; do echo "${l^^}"; done; }
echo hello >&"${UP[1]}"; read -r answer <&"${UP[0]}"; echo "coproc: $answer"
echo again >&"${UP[1]}"; read -r answer <&"${UP[0]}"; echo "coproc: $answer"
exec {UP[1]}>&-; wait "$UP_PID"; echo "coproc ended $?"
coproc sort -n; printf '%s\n' 3 1 2 >&"${COPROC[1]}"
out=${COPROC[0]}; exec {dup}<&"$out"; exec {COPROC[1]}>&-; cat <&"$dup"; wait
exec 5<>both; echo text >&5; exec 5>&-; cat both
exec {fd}>&1; echo "through a duplicate" >&"$fd"; exec {fd}>&-
{ echo o; echo e >&2; } 2>err >out; cat out err
{ echo swapped >&2; } 3>&1 1>&2 2>&3
echo appended >>out; cat <out
cat <<A <<<word; cat <<B
first
A
second $((1 + 1))
B
cat /dev/fd/3 3<<<"by /dev/fd"
seq 100000 | tee >(wc -l >count) | tail -n 1; while [ ! -s count ]; do sleep 0.01; done; cat count
x=$(for i in 1 2 3; do (echo "$i"; exit "$i"); done); echo "$x" $?
echo "$(echo "$(echo "$(echo deep)")")"
lines=0; while read -r _; do ((lines++)); done < <(yes | head -n 5000); echo "$lines"
yes | head -n 1 >/dev/null; echo "${PIPESTATUS[*]}"
(ulimit -n 20; ulimit -n)
set -C; echo x >out 2>/dev/null; echo "noclobber $?"; set +C
bash -c 'echo "$0 $*"' zero one two
env -i A=1 bash -c 'echo "A=$A HOME=${HOME-unset}"'
exec -a other bash -c 'echo "$0"; exit 9'
