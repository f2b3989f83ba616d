# bash: arrays, associative arrays, expansions, arithmetic, regular expressions.
a=(one two three [10]=ten)
echo "${#a[@]} ${!a[*]} ${a[10]} ${a[-1]} ${a[@]:1:2}"
a+=(more); unset 'a[1]'; declare -p a
b=("${a[@]/e/E}"); printf '<%s>' "${b[@]}"; echo
declare -A m=([red]=1 [green]=2 ["two words"]=3)
m[blue]=4
for k in "${!m[@]}"; do echo "$k=${m[$k]}"; done | sort
unset 'm[green]'; echo "${#m[@]} ${m[green]-none} ${m["two words"]}"
[[ -v m[red] ]] && echo "red is there"
mapfile -t lines; echo "${#lines[@]} lines, last: ${lines[-1]}"
mapfile -t -n 2 squares < <(for i in {1..9}; do echo $((i ** 2)); done); echo "${squares[*]}"
s="The quick brown fox"
echo "${s,,} ${s^^} ${s:4:5} ${s/quick/slow} ${s//o/0} ${#s} ${s@Q}"
[[ $s =~ ([a-z]+)\ ([a-z]+)$ ]] && echo "${BASH_REMATCH[1]}/${BASH_REMATCH[2]}"
[[ file.tar.gz == *.@(gz|xz) ]] && echo glob
shopt -s extglob nullglob
echo "${s//+([aeiou])/_}"
declare -i n=7*6; ((n++)); echo "$n $((n & 0xf)) $((2#1010)) $((n > 40 ? 1 : 0)) $((-7 / 2)) $((-7 % 3))"
for ((i = 0, j = 10; i < j; i += 3, j--)); do echo -n "$i,$j "; done; echo
printf '%5d|%-5s|%05.1f|%x|%q|%b\n' 42 ab 3.14159 255 'a b' 'x\ty'
printf '%(%Y-%m-%d)T\n' 86400
echo {a..e}{1..2} {01..05..2}
declare -n ref=s; ref=changed; echo "$s"
f() { local -a l=("$@"); echo "${#l[@]} ${FUNCNAME[0]} ${l[*]: -1}"; }; f x "y z" w
IFS=, read -ra parts <<<"p,q,,r"; echo "${#parts[@]} ${parts[3]}"
declare -r constant=1; (constant=2) 2>&1 | sed 's/.*: constant/constant/'
select word in yes no; do echo "chose $word"; break; done <<<2 2>/dev/null
case abc in a*) echo first ;;& *c) echo second ;;& x) echo no ;; esac
echo "$(< bash-arrays.sh wc -l) lines"
set -o pipefail; false | true; echo "pipefail $? ${PIPESTATUS[*]}"
(set -e; false; echo never); echo "errexit $?"
(set -u; echo "$undefined") 2>/dev/null; echo "nounset $?"
total=0; for i in {1..20000}; do ((total += i % 7)); done; echo "$total"
big=(); for i in {1..3000}; do big[i * 5]=$i; done; echo "${#big[@]} ${big[5000]}"
sorted=($(printf '%s\n' "${big[@]}" | sort -rn | head -3)); echo "${sorted[*]}"
