# tar, gzip and xz: the same bytes, both ways.
mkdir t; for i in 1 2 3; do seq $((i * 1000)) >t/$i; done; ln -s 1 t/link; ln t/2 t/hard
touch -d @1000000000 t/*; touch -h -d @1000000000 t/link; touch -d @1000000000 t
tar --sort=name --owner=0 --group=0 --numeric-owner -cf a.tar t; sha256sum a.tar; tar -tvf a.tar --utc
gzip -9nk a.tar; sha256sum a.tar.gz; xz -k6 --threads=1 a.tar; sha256sum a.tar.xz; xz -l a.tar.xz | tail -1; gzip -l a.tar.gz | tail -1
mkdir x y; tar -xf a.tar.gz -C x; tar -xf a.tar.xz -C y; diff -r x y && echo "the same"; diff -r x/t t && echo "as before"
xz -k6 --threads=2 --block-size=64KiB -c a.tar | xz -dc --threads=2 | cmp - a.tar && echo "threads"
gzip -t a.tar.gz; echo $?; head -c 1000 a.tar.gz | gzip -t; echo $?; head -c 300 a.tar.xz | xz -t; echo $?
tar -xOf a.tar t/3 | tail -1; tar --delete -f a.tar t/1; tar -tf a.tar; tar -rf a.tar -C t 1; tar -tf a.tar; zcat a.tar.gz | wc -c; tar -xf missing.tar; echo $?
find t -type f | sort | tar -czf - -T - | tar -tz; rm -r x y
