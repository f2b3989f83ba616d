# perl: the language, its regular expressions, sorting, numbers and files.
use strict;
use List::Util qw(sum shuffle max reduce);
use POSIX qw(floor strftime fmod);
use Data::Dumper;
$Data::Dumper::Sortkeys = 1; $Data::Dumper::Indent = 1;
my $text = "The year 1999 and the years 2004, 2010 and 12.";
print join(",", $text =~ /\b(\d{4})\b/g), "\n";
(my $t = $text) =~ s/(\w+) (\d+)/$2 $1/g; print "$t\n";
print "named: $+{word}\n" if $text =~ /(?<word>y\w+)\s+(?=2)/;
my $re = qr/(\((?:[^()]++|(?1))*\))/; print "nested: $1\n" if "f(a(b)c)(d" =~ $re;
print join("|", split /\s*[,;]\s*/, "a , b;c,d"), "\n";
(my $u = "aAbB") =~ tr/a-zA-Z/A-Za-z/; print "$u ", ($text =~ tr/0-9//), "\n";
my %count; $count{$_}++ for split //, "mississippi";
print map({"$_=$count{$_} "} sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count), "\n";
srand 42; my @r = map { int rand 1e6 } 1 .. 1000; my @s = sort { $a <=> $b } @r;
print "sorted ", (join(",", @s) eq join(",", sort { $a <=> $b } shuffle @r) ? "ok" : "bad"), " $s[0] $s[-1]\n";
print sum(1 .. 1000), " ", max(@s) - $s[-1], " ", (reduce { $a * $b } 1 .. 15), "\n";
printf "%.10f %e %g %s %s\n", exp(1), 1 / 3, 1e21, 0.1 + 0.2, 2**0.5;
print 7 % 3, " ", -7 % 3, " ", 2**63, " ", 0xff ^ 0x0f, " ", 1 << 40, " ", ~0, " ", int(-3.7), " ", floor(-3.2), " ", fmod(7, 2.5), "\n";
print strftime("%Y-%m-%d %H:%M:%S", gmtime 1e9), "\n";
print Dumper({ list => [1, [2, 3]], hash => { k => undef }, code => "x\ty" });
print pack("NnC a4 w", 1, 2, 3, "ab", 300) =~ s/(.)/sprintf "%02x", ord $1/gesr, " ", join(",", unpack "(A2)*", "aabbc"), "\n";
my $fib; $fib = sub { my $n = shift; $n < 2 ? $n : $fib->($n - 1) + $fib->($n - 2) }; print "fib ", $fib->(17), "\n";
{ package Animal; sub new { bless { name => $_[1] }, $_[0] } sub speak { "$_[0]{name} says " . $_[0]->sound }
  package Dog; our @ISA = 'Animal'; sub sound { "wuff" } sub DESTROY { print "gone\n" } }
{ my $dog = Dog->new("Rex"); print $dog->speak, "\n"; }
eval { die { code => 42 } }; print "died with $@->{code}\n"; eval { my $x = 1 / ($] - $]); }; print "error: $@";
local $_ = "utf \x{e4}\x{2028}"; print length, " ", utf8::upgrade($_), "\n"; { use utf8; my $w = "größe"; binmode STDOUT, ":utf8"; print uc $w, " ", scalar reverse($w), "\n"; binmode STDOUT, ":raw"; }
open my $f, ">", "lines" or die; print $f "line $_\n" for 1 .. 500; close $f;
open $f, "+<", "lines" or die; my @l = <$f>; print scalar(@l), " $l[-1]"; seek $f, 7, 0; read $f, my $buf, 6; print $buf; print $f "L"; close $f; print -s "lines", "\n";
open $f, "<", \ "in\nmemory\n"; print "mem: $_" while <$f>; print "-e\n" if -e "lines" && -f _ && !-d _; rename "lines", "moved"; chmod 0600, "moved"; printf "%o\n", (stat "moved")[2] & 07777; utime 5, 6, "moved"; print((stat "moved")[9], "\n");
mkdir "d"; opendir my $d, "." or die; print join(" ", sort grep { !/^\.\.?$/ } readdir $d), "\n"; rmdir "d"; symlink "moved", "link"; print readlink("link"), "\n"; unlink "moved", "link"; open($f, "<", "nothing") or print "cannot: $!\n";
format STDOUT =
@<<<<< @>>>>> @##.##
"left", "right", 3.14159
.
write;
my $s = ""; $s .= chr(97 + $_ % 26) for 1 .. 100000; print length $s, " ", ($s =~ tr/a//), " ", index($s, "zab", 500), "\n"; my @big = map { [$_, $_ % 17] } 1 .. 20000; print scalar(grep { $_->[1] == 3 } @big), "\n"; my %h = map { $_ => 1 } 1 .. 20000; delete @h{ 1 .. 10000 }; print scalar(keys %h), "\n";
