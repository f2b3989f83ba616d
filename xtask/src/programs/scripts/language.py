"""python3.11: the language and the library parts that compute."""
import bz2, csv, datetime, decimal, fractions, gzip, hashlib, io, itertools, json, lzma, math, os, random, re, sqlite3, statistics, struct, sys, zlib

print(sys.version_info[:2], sys.byteorder, sys.maxsize, os.uname().machine, sys.argv[1:])
decimal.getcontext().prec = 50
print(decimal.Decimal(2).sqrt(), decimal.Decimal("1.10") + decimal.Decimal("2.20"), fractions.Fraction(1, 3) + fractions.Fraction(1, 6))
print(math.factorial(60), 7 ** 123 % 10 ** 20, divmod(-17, 5), round(2.5), 0.1 + 0.2, float("1e400"), 1e16 + 1, (0.1).hex(), math.fsum([0.1] * 10))
print([f(0.7) for f in (math.sin, math.exp, math.gamma, math.erf, math.log1p, math.tanh)], math.isqrt(10 ** 40), math.comb(50, 25))
random.seed(7)
numbers = [random.random() for _ in range(5000)]
print(statistics.fmean(numbers), statistics.stdev(numbers[:200]), sorted(numbers)[2500], random.sample(range(100), 5), random.gauss(0, 1))
data = bytes(random.randrange(256) for _ in range(20000)) + b"abc" * 20000
for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s", "sha512_256", "ripemd160"):
    try:
        print(name, hashlib.new(name, data).hexdigest()[:32])
    except ValueError as error:
        print(name, "is not there")
print(hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 1000).hex(), hashlib.scrypt(b"word", salt=b"salt", n=16, r=8, p=1, dklen=16).hex())
for module in (zlib, bz2, lzma):
    packed = module.compress(data)
    print(module.__name__, len(packed), hashlib.md5(packed).hexdigest(), module.decompress(packed) == data)
print(zlib.crc32(data), zlib.adler32(data))
stream = io.BytesIO()
with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as file:
    file.write(data)
print(len(stream.getvalue()), gzip.decompress(stream.getvalue()) == data)
document = {"list": [1, 2.5, None, True], "nested": {"text": "größe \u2028 \U0001f600"}, "big": 10 ** 30}
print(json.dumps(document, sort_keys=True), json.loads(json.dumps(document)) == document, json.dumps(document, ensure_ascii=False, indent=1)[:40])
print(re.findall(r"(\w+)@(\w+)\.org", "a@b.org, c@d.org"), re.sub(r"(?P<n>\d+)", lambda m: str(int(m["n"]) * 2), "x1y22"), re.split(r"\s*;\s*", "a ; b;c"))
print(struct.pack("<hIqd", -1, 2, 3, 4.5).hex(), struct.unpack(">3sH", b"abc\x01\x02"), struct.calcsize("@bqb"))
print(datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=366), datetime.date.fromisocalendar(2020, 53, 5))
db = sqlite3.connect(":memory:")
db.executescript("create table t(id integer primary key, word text, n real);")
db.executemany("insert into t(word, n) values(?, ?)", ((w, n / 3) for n, w in enumerate(("x", "y", "z") * 300)))
print(db.execute("select word, count(*), sum(n), max(id) from t group by word order by word desc").fetchall())
db.create_function("twice", 1, lambda value: value * 2)
print(db.execute("select twice(id) from t where id = 21").fetchone(), sqlite3.sqlite_version_info[0])
with open("rows.csv", "w", newline="") as file:
    csv.writer(file).writerows([["a", "b c"], ['quo"te', "x,y"], [1, 2.5]])
print(open("rows.csv", newline="").read(), list(csv.reader(open("rows.csv"))))
class Shape:
    count = 0
    def __init__(self, size): self.size = size; Shape.count += 1
    def __lt__(self, other): return self.size < other.size
    def __repr__(self): return f"{type(self).__name__}({self.size:.2f})"
class Circle(Shape):
    @property
    def area(self): return math.pi * self.size ** 2
print(sorted([Circle(2), Circle(1), Shape(1.5)]), Circle(3).area, Shape.count)
def primes():
    sieve = {}
    for n in itertools.count(2):
        factor = sieve.pop(n, None)
        if factor is None:
            yield n
            sieve[n * n] = n
        else:
            step = n + factor
            while step in sieve: step += factor
            sieve[step] = factor
print(list(itertools.islice(primes(), 500))[-1], sum(i * i for i in range(20000)), len({i % 997 for i in range(10000)}))
match document:
    case {"list": [first, *_], "big": big}: print("matched", first, big > 1)
try:
    sys.setrecursionlimit(3000); (lambda f: f(f))(lambda f: f(f))
except RecursionError as error: print("RecursionError:", error)
try: {}["missing"]
except KeyError as error: print(repr(error), error.__traceback__ is not None)
print(eval(compile("[x ** 2 for x in range(5)]", "<text>", "eval")), "äöü".encode("latin-1"), "ß".upper(), "\u0130".lower().encode(), f"{1234567.891:,.2f} {255:#x} {'mid':^9}|")
