"""python3.11: multiprocessing by fork, spawn and forkserver."""
import concurrent.futures, multiprocessing as mp, os, signal, sys, time

def square(n): return n * n
def fail(n): raise ValueError(f"no {n}")
def talk(pipe): pipe.send(pipe.recv().upper()); pipe.close()
def add(value, lock, times):
    for _ in range(times):
        with lock: value.value += 1
def consume(work, done):
    for item in iter(work.get, None): done.put(item + 1)
def leave(code): sys.exit(code)
def forever(): time.sleep(100)
def fill(array): array[:] = [n * 2 for n in range(len(array))]
def note(names, n): names.append(n)

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        context = mp.get_context(method); print(method)
        process = context.Process(target=leave, args=(7,)); process.start(); process.join(); print(process.exitcode)
        here, there = context.Pipe(); process = context.Process(target=talk, args=(there,)); process.start(); here.send("message"); print(here.recv()); process.join()
        if method != "fork": continue
        with context.Pool(3) as pool:
            print(pool.map(square, range(20)), pool.apply_async(square, (9,)).get(30), sorted(pool.imap_unordered(square, range(5))))
            try: pool.map(fail, [1])
            except ValueError as error: print(error)
        value, lock = context.Value("i", 0), context.Lock(); crew = [context.Process(target=add, args=(value, lock, 200)) for _ in range(4)]
        for process in crew: process.start()
        for process in crew: process.join()
        print(value.value); work, done = context.Queue(), context.Queue(); crew = [context.Process(target=consume, args=(work, done)) for _ in range(2)]
        for process in crew: process.start()
        for n in [*range(50), None, None]: work.put(n)
        print(sum(done.get() for _ in range(50)))
        for process in crew: process.join()
        process = context.Process(target=forever); process.start(); process.terminate(); process.join(); print(process.exitcode == -signal.SIGTERM); process = context.Process(target=forever); process.start(); process.kill(); process.join(); print(process.exitcode); array = context.Array("d", 10); process = context.Process(target=fill, args=(array,)); process.start(); process.join(); print(array[:])
        with context.Manager() as manager:
            names = manager.list(); crew = [context.Process(target=note, args=(names, n)) for n in range(3)]
            for process in crew: process.start()
            for process in crew: process.join()
            print(sorted(names))
        event, barrier, semaphore = context.Event(), context.Barrier(2), context.Semaphore(1); print(event.wait(0.05), semaphore.acquire(timeout=1), semaphore.acquire(timeout=0.05)); process = context.Process(target=event.set); process.start(); print(event.wait(20)); process.join()
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool: print(list(pool.map(square, range(10), chunksize=3)))
    print(mp.active_children(), len(os.listdir("/dev/shm")))
