# busybox's shell and applets: pipes, background jobs, traps, here-documents.
set -u
echo "== pipes"
read -r line; echo "read: $line"
cat | tr a-z A-Z
seq 1 20 | while read -r n; do echo "$((n * n))"; done | sort -rn | head -n 3
printf '%s\n' c a b a | sort | uniq -c | awk '{ print $2 "=" $1 }'
yes | head -n 1000 | wc -l
{ echo out; echo err >&2; } 2>&1 | sed 's/^/> /'
false | true; echo "status $?"
echo "== here-documents"
name=world
cat <<END
hello $name $((6 * 7)) $(echo sub)
END
cat <<'END'
no $expansion `here`
END
cat <<-END
	tabs are gone
	END
while read -r a b; do echo "$b-$a"; done <<END
1 one
2 two
END
echo "== background jobs"
(sleep 0.2; echo late) &
first=$!
(exit 7) &
second=$!
wait $second; echo "second $?"
wait $first; echo "first $?"
sleep 100 & kill $!; wait $! 2>/dev/null; echo "killed $?"
for n in 1 2 3 4 5; do (echo $n >part.$n) & done; wait
cat part.*; rm part.*
echo "== traps"
trap 'echo caught USR1' USR1
kill -USR1 $$
trap 'echo caught TERM; trap - TERM' TERM
(kill -TERM $$) ; echo after
trap '' INT; kill -INT $$; echo "INT is ignored"
trap - INT
(trap 'echo inner exit' EXIT; exit 3); echo "inner $?"
(trap 'echo pipe' PIPE; exit 0)
sh -c 'kill -9 $$'; echo "shot $?"
sh -c 'trap "echo got ALRM; exit 5" ALRM; (sleep 0.1; kill -ALRM $$) & while :; do sleep 0.05; done'; echo "alarm $?"
echo "== functions and words"
f() { local x=$1; [ "$x" -le 1 ] && { echo 1; return; }; echo $((x * $(f $((x - 1))))); }
f 6
x=path/to/file.tar.gz; echo "${x##*/} ${x%%.*} ${x#*/} ${#x} ${y:-unset}"
case $x in *.gz) echo gz ;; *) echo other ;; esac
set -- "a b" c; for i in "$@"; do echo "<$i>"; done; IFS=:; echo "$*"; IFS=' '
i=0; until [ $i -ge 3 ]; do i=$((i + 1)); done; echo "i $i"
echo "== files"
mkdir -p d/e; echo text >d/e/f; ln -s e/f d/l; cp -r d d2; find d2 | sort
[ -L d2/l ] && readlink d/l
tar -cf - d | tar -tf - | sort
gzip -c d/e/f | gunzip; echo abc | md5sum; echo abc | sha256sum; echo hello | base64
printf '\001\002abc' | od -An -tx1; echo abc | xxd
dd if=/dev/zero bs=1k count=3 2>/dev/null | wc -c
mkfifo pipe; (echo through a fifo >pipe) & cat pipe; rm pipe
stat -c '%a %F %s' d/e/f; chmod 4750 d/e/f; stat -c '%a' d/e/f
ls -1 d; rm -r d d2; ls | wc -l
echo "3 4 + p" | dc; echo "2^70" | bc
expr 17 % 5; date -u -d @1700000000 +%Y-%m-%dT%H:%M:%S
exec 3>out.txt; echo three >&3; exec 3>&-; cat out.txt
trap 'echo bye' EXIT
exit 4
