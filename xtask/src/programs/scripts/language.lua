-- lua5.4: the language, strings, tables, coroutines, files.
print(_VERSION, arg[1], #arg, math.maxinteger, 7 // 2, 7 / 2, -7 % 3, 2^53, 1e15, 0x7fffffffffffffff + 1, 3 | 4, "10" + 5)
print(string.format("%5.2f %q %x %g %s", math.pi, "a\nb", 255, 1e100, nil), ("abc"):rep(3, "-"), #"äö", utf8.len("äö"))
for key, value in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do io.write(key, value, " ") end print()
print(("hello world"):gsub("o", "0"), ("x"):byte(), ("%d+"):len(), ("2024-01-02"):match("(%d+)-(%d+)"), string.pack("<i4z", 7, "s"):byte(1, -1))
local t = {} for i = 1, 2000 do t[i] = (i * 7919) % 2003 end table.sort(t) print(t[1], t[1000], #t, table.concat(t, ",", 1, 5), select("#", table.unpack(t, 1, 200)))
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end print(fib(20))
local co = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a * i) end return "done" end) print(co(1), co(2), co(3), co(4))
print(pcall(error, {code = 5}), select(2, pcall(function() return nil + 1 end)), select(2, pcall(function() local s <const> = "x"; return s.y.z end)))
local meta = setmetatable({}, {__index = function(_, k) return k .. "!" end, __call = function(_, x) return x * 2 end, __tostring = function() return "meta" end, __close = function() print("closed") end})
do local scoped <close> = meta print(scoped.key, scoped(21), tostring(scoped)) end
print(io.read("n", "n", "n", "l", "L"))
local file = assert(io.open("out.txt", "w")) file:write("one\n", 2, "\n", 3.5, "\n") file:close() for line in io.lines("out.txt") do io.write("[", line, "]") end print()
print(io.open("nothing"), os.rename("out.txt", "moved"), os.remove("moved"), os.remove("moved"))
print(os.date("!%Y-%m-%d %H:%M:%S", 86400), os.time({year = 2000, month = 1, day = 1, hour = 0}), os.getenv("HOME"), os.getenv("NOTHING"), os.clock() >= 0, os.difftime(5, 3))
local pipe = io.popen("/usr/bin/seq 3 | /usr/bin/tac", "r") if pipe then print(pipe:read("a"), pipe:close()) end
collectgarbage() local s = 0 for i = 1, 20000 do local u = {i} s = s + u[1] end print(s, collectgarbage("count") < 100000, load("return 6 * 7")(), #string.dump(function() end) > 0)
goto finish
print("never")
::finish:: os.exit(6, true)
