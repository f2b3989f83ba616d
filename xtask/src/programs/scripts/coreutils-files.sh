# coreutils and findutils on files.
here=$PWD
umask 022
mkdir -p dir/sub dir/empty; echo content >dir/file; printf 'x%.0s' {1..5000} >dir/sub/large
touch -d '2024-01-02 03:04:05.678901234 UTC' dir/file; touch -d @1000000000 dir/sub/large; touch -t 200102030405 dir/empty
ln dir/file dir/hard; ln -s file dir/soft; ln -s missing dir/broken; ln -s .. dir/up
touch -h -d '2023-03-04 UTC' dir/soft dir/broken; chmod 640 dir/file; chmod u+s,g+w dir/sub/large; chmod 1777 dir/empty; mkdir -m 700 dir/private
stat -c '%n %a %A %F %s %h %u:%g %Y %y' dir/file dir/sub/large dir/soft dir/broken
stat -L -c '%n %F %s' dir/soft; stat -f -c '%l' dir
touch -d '2024-01-02 UTC' dir dir/sub dir/private dir/empty; touch -h -d '2024-01-02 UTC' dir/*
ls -l --time-style=+%F dir | tail -n +2; ls -1aF dir; ls -ld --time-style=+%s dir/soft; ls -R dir; ls -lS --time-style=+ dir/sub; ls dir/nothing; echo "ls $?"
find dir -printf '%P %y %m %s\n' | sort; find dir -type l -name 's*'; find dir -size +4k -newermt 2000-01-01; find dir -links 2 -type f | sort; find dir -empty -type d -exec basename {} \; | sort
find dir -type f -print0 | sort -z | xargs -0 -n 1 basename; find dir -perm -4000; find dir -maxdepth 1 -samefile dir/file | sort; find dir -xtype l; find dir -name sub -prune -o -type f -print | sort
cp -a dir copy; diff <(cd dir; find . -printf '%P %m %s %T@\n' | sort) <(cd copy; find . -printf '%P %m %s %T@\n' | sort) && echo "cp -a is exact"
cp dir/soft deref; cp -P dir/soft kept; readlink kept; cp --preserve=mode dir/sub/large m; stat -c %a m; cp -n deref m; cp -u deref m; cp -l deref linked; stat -c %h deref; cp -r dir/nothing . ; cp -v --parents dir/sub/large copy; cp --reflink=auto --sparse=always dir/sub/large sparse; cmp sparse dir/sub/large
mv -v kept moved; mv -n deref linked; mv copy/sub copy/renamed; ls copy; mv -T copy/renamed copy/empty 2>&1; mv nothing x; echo "mv $?"; mv -b m moved; ls moved*
rm -v moved; rmdir -v copy/empty; rmdir copy; rm copy; rm -f nothing; rm -d dir/private; echo "rm $?"
dd if=dir/sub/large of=part bs=100 skip=2 count=5 2>/dev/null; stat -c %s part; dd if=/dev/zero of=part bs=1 seek=2000 count=0 2>/dev/null; stat -c '%s' part; dd if=dir/file conv=ucase,swab 2>/dev/null; echo abc | dd bs=2 count=1 2>/dev/null; echo; dd if=dir/sub/large of=/dev/null 2>&1 | head -2; dd oflag=append conv=notrunc if=dir/file of=dir/hard 2>/dev/null; cat dir/file
truncate -s 10000 part; stat -c %s part; truncate -s -1 part; stat -c %s part; truncate -r dir/file part; stat -c %s part; fallocate 2>/dev/null; du -b --apparent-size dir/sub/large; du -s --apparent-size -B1 dir/sub | cut -f1 | gawk '{ print ($1 >= 5000) }'
sync dir/file; echo "sync $?"
install -m 750 -D dir/file new/place/file; stat -c '%a' new/place/file; install -d -m 711 made; stat -c %a made
realpath dir/soft dir/up; realpath -m dir/x/../y; realpath --relative-to=dir/sub dir/file; readlink -f dir/soft; readlink -e dir/broken; echo "readlink $?"; basename /a/b.c .c; dirname /a/b.c; pathchk -p 'a:b'; pwd; cd dir/up; pwd -P; cd "$here"
mktemp -u XXXX | wc -c; t=$(mktemp -d); [ -d "$t" ] && stat -c %a "$t"; rmdir "$t"; mktemp --suffix=.x -p . aXXX | wc -c; rm -f a???.x
mkfifo -m 600 fifo; stat -c '%F %a' fifo; (echo one; echo two) >fifo & cat fifo; wait; timeout 0.3 cat fifo; echo "fifo $?"; rm fifo
test -e dir/broken; echo $?; test -h dir/broken; echo $?; test dir/file -nt dir/sub/large; echo $?; test dir/file -ef dir/hard; echo $?; [ -u dir/sub/large ] && echo setuid; [ -r /proc/version ]; echo "[ $?"
chmod -R go-rwx dir/sub; stat -c '%a' dir/sub dir/sub/large; chmod --reference=dir/file linked; stat -c %a linked; chmod 999 linked; chown 0:0 dir/file && stat -c '%u %g' dir/file; chgrp root dir/file; umask 077; touch private; stat -c %a private; umask -S
mknod node p; stat -c %F node; link linked other; unlink other; shred -n1 -u linked; ls linked 2>&1; tee a b <<<both >/dev/null; cat a b; tee -a a <<<more; cat a
comm -3 <(ls -A dir) <(ls -A copy); dircolors -b | wc -l; cat /dev/null | wc -c; head -c 100 /dev/zero | md5sum; head -c 16 /dev/urandom | wc -c; echo x >/dev/full; echo "full $?"; cat dir; echo "cat $?"; cat </dev/null nothing
vdir --time-style=+ -o dir/sub 2>&1 | tail -1; printf 'a\nb\n' >ab; split -l1 --filter='cat >$FILE.out' ab; cat xaa.out xab.out; wc -c <ab
touch -d @1.5 ab; touch -r ab ba; stat -c %.9Y ba; touch -a -d @7 ab; stat -c '%X %.2Y' ab; touch -c nothing; ls nothing
rm -r dir copy new made; ls | sort
