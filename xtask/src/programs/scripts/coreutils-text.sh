# coreutils, grep, sed, awk on text.
read -r a; read -r b; echo "$b, $a"
seq 1 2000 | sed 's/$/ x/' >n
for i in 5 3 9 1 7; do echo "k$i v$((i * 11))"; done >five
printf 'k1 one\nk3 three\nk4 four\n' >names
sort five; sort -k2,2rn five | head -2; sort -R five | wc -l; sort -t' ' -k1.2n -u five | tail -1
sort --parallel=2 -S 1M n | md5sum; sort -c five 2>/dev/null; echo "sorted $?"
printf '10\n9\n1K\n2.5\n' | sort -g; printf '2K\n1M\n3\n' | sort -h; printf 'v1.10\nv1.9\n' | sort -V
printf 'a\na\nb\nA\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'x 1\ny 1\n' | uniq -f1
cut -d' ' -f2 five; cut -c1-2 five | paste -s -d,; echo abcdef | cut -b 2,4-
join <(sort five) <(sort names); join -a1 -e none -o 0,1.2,2.2 <(sort five) <(sort names)
comm -12 <(cut -d' ' -f1 five | sort) <(cut -d' ' -f1 names | sort)
split -l 700 -d n part.; wc -l part.* ; cat part.* | cmp - n && echo "split is whole"; rm part.*
split -n 3 n third.; ls third.*; rm third.*; csplit -s n /100/ /200/; wc -c <xx01; rm xx0*
head -c 20 n; tail -c 10 n; tail -n +1999 n; head -n -1998 n
nl -ba five; pr -T -2 -l3 five; fold -w 7 <<<"a line to be folded"; fmt -w 20 <<<"some words that fmt puts into short lines"
tr -dc 'a-f0-9' <n | wc -c; tr -s 'a' <<<aaabaa; echo hello | tr a-y b-z; expand -t4 <<<$'a\tb' ; unexpand -a -t4 <<<"a       b"
od -A d -t x1z -N 20 n; od -An -t d2 -j2 -N6 n; od -t f4 -An <<<abcdefg
echo "checksums"; for h in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum; do $h <n; done
sha256sum n five >sums; sha256sum -c sums; echo x >>five; sha256sum -c sums 2>/dev/null | tail -1
base64 -w 40 <five; base32 <names | base32 -d | cmp - names && echo "base32 is whole"; basenc --base16 <names | head -c 30; echo
tac five | head -2; rev 2>/dev/null <<<abc; shuf -i 1-100 -n 5 --random-source=n; shuf -e a --random-source=n; tsort <<<"a b b c"
factor 360 1000003 18446744073709551557; seq -s, 1 .5 3; seq -w 8 11; numfmt --to=iec 1048576 2500; numfmt --from=si 3K
expr length abcd; expr 5 '*' 9; expr abc : 'a\(.\)'; printf '%s %d %o %e\n' x 10 8 1.5; echo -e 'a\x41\u00e9' | od -An -tx1
wc five n; wc -L n; ptx -A <<<"small index" | wc -l; 
grep -c 9 n; grep -n '^19[5-7] ' n; grep -E '^(1|2)0+ ' n; grep -v x n | wc -l; grep -o 'k[0-9]' five | tr '\n' ' '; grep -P '^1(?=5\d x)' n | head -2; grep -rl one . | sort; grep -w 77 n; grep -i -A1 -m1 K3 five
sed -n '2,3p;5q' five; sed -E 's/k([0-9])/<\1>/' five; sed -e '1!G;h;$!d' names; sed -i.bak 's/one/ONE/' names; cat names names.bak
gawk '{ s += $2 } END { print s, NR }' FS='v' five; gawk 'BEGIN { while (("seq 3" | getline x) > 0) t += x; print t; printf "%.3f %s\n", atan2(0, -1), toupper("up") }'
gawk '{ c[substr($1, 1, 1)]++ } END { for (i = 1; i <= 9; i++) printf "%d ", c[i]; print "" }' n; gawk 'BEGIN { print strftime("%F", 0, 1), length("äö"), gensub(/b/, "X", 2, "abab"); print (systime() > 0) }' | head -1
date -u -d '2024-02-29 12:34:56 +1 year' '+%F %T %j %U'; TZ=Europe/Berlin date -d @1700000000 +%c; TZ=EST5EDT date -d '2024-07-01 UTC' '+%F %T %Z'; date -d 'not a date' 2>&1
tail -n 5 -f n --pid=$$ >followed & follower=$!; sleep 0.5; echo "2001 new" >>n; sleep 1.5; kill $follower; wait $follower; cat followed
timeout 1 tail -f five; echo "tail $?"
rm -f n five names names.bak sums followed
