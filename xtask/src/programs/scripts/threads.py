"""python3.11: threads, locks, queues, executors, asyncio."""
import asyncio, concurrent.futures, os, queue, signal, subprocess, sys, threading, time

counter, lock = 0, threading.Lock()
def add():
    global counter
    for _ in range(1000):
        with lock: counter += 1
threads = [threading.Thread(target=add) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(counter, threading.active_count())
work, done = queue.Queue(5), queue.PriorityQueue()
def worker():
    while (item := work.get()) is not None: done.put(item * item); work.task_done()
    work.task_done()
crew = [threading.Thread(target=worker, daemon=True) for _ in range(4)]
for thread in crew: thread.start()
for item in [*range(100), None, None, None, None]: work.put(item)
work.join(); print([done.get() for _ in range(100)][-3:], done.empty())
condition, turns = threading.Condition(), []
def player(me):
    for turn in range(me, 20, 2):
        with condition:
            condition.wait_for(lambda: len(turns) == turn); turns.append(me); condition.notify_all()
pair = [threading.Thread(target=player, args=(me,)) for me in (0, 1)]
for thread in pair: thread.start()
for thread in pair: thread.join()
print(turns)
barrier, semaphore, event, local = threading.Barrier(3), threading.BoundedSemaphore(2), threading.Event(), threading.local()
print(event.wait(0.05), semaphore.acquire(timeout=0.1), semaphore.acquire(), semaphore.acquire(timeout=0.05))
order = []
def meet(n): local.n = n; barrier.wait(); order.append(local.n)
for thread in (crowd := [threading.Thread(target=meet, args=(n,)) for n in range(3)]): thread.start()
for thread in crowd: thread.join()
print(sorted(order)); timer = threading.Timer(0.05, event.set); timer.start(); print(event.wait(5)); lock.acquire(); print(lock.acquire(timeout=0.1)); lock.release()
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: n ** 2, range(6))), sorted(f.result() for f in concurrent.futures.as_completed([pool.submit(pow, n, 3) for n in range(4)])))
    failed = pool.submit(lambda: 1 / 0); print(repr(failed.exception()))
signal.signal(signal.SIGUSR1, lambda *_: print("signal in", threading.current_thread() is threading.main_thread())); thread = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)); thread.start(); thread.join(); time.sleep(0.05)
pid = None
def forker():
    global pid
    pid = os.fork()
    if pid == 0: os._exit(threading.active_count())
thread = threading.Thread(target=forker); thread.start(); thread.join(); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
threading.stack_size(256 * 1024); deep = []; 
def recurse(n): return n if n == 0 else 1 + recurse(n - 1)
thread = threading.Thread(target=lambda: deep.append(recurse(500))); thread.start(); thread.join(); print(deep)
async def tick(name, pause, log):
    for n in range(3): await asyncio.sleep(pause); log.append(name + str(n))
async def serve(reader, writer):
    while line := await reader.readline(): writer.write(line.upper()); await writer.drain()
    writer.close()
async def main():
    log = []; await asyncio.gather(tick("a", 0.05, log), tick("b", 0.2, log)); print(log)
    server = await asyncio.start_server(serve, "127.0.0.1", 0); port = server.sockets[0].getsockname()[1]
    async def client(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port); writer.write(f"hello {n}\n".encode() * 50); writer.write_eof(); answer = await reader.read(); writer.close(); return len(answer), answer[:7]
    print(await asyncio.gather(*(client(n) for n in range(5)))); server.close(); await server.wait_closed()
    server = await asyncio.start_unix_server(serve, "sock"); reader, writer = await asyncio.open_unix_connection("sock"); writer.write(b"unix\n"); print(await reader.readline()); writer.close(); server.close(); os.unlink("sock")
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE); print(await process.communicate(b"to cat"), process.returncode)
    process = await asyncio.create_subprocess_shell("sleep 5"); process.kill(); print(await process.wait())
    try: await asyncio.wait_for(asyncio.sleep(5), 0.05)
    except asyncio.TimeoutError: print("timeout")
    print(await asyncio.to_thread(lambda: threading.current_thread() is threading.main_thread())); loop = asyncio.get_running_loop(); got = loop.create_future(); loop.add_signal_handler(signal.SIGUSR2, got.set_result, "USR2"); os.kill(os.getpid(), signal.SIGUSR2); print(await got)
    async with asyncio.TaskGroup() as group: tasks = [group.create_task(asyncio.sleep(0.01, n)) for n in range(3)]
    print([task.result() for task in tasks]); fifo = asyncio.Queue(); asyncio.create_task(fifo.put("queued")); print(await fifo.get())
asyncio.run(main())
