"""python3.11: mmap, ctypes, buffers, shared memory."""
import array, ctypes, ctypes.util, gc, mmap, os, signal, sys, weakref
from multiprocessing import shared_memory

with open("mapped", "wb+") as file:
    file.write(b"\0" * 200000); file.flush()
    with mmap.mmap(file.fileno(), 0) as shared, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as private:
        shared[100:105] = b"hello"; private[100:105] = b"HELLO"; file.seek(100); print(file.read(5), private[100:105], shared.find(b"llo"), len(shared)); shared.flush()
        pid = os.fork()
        if pid == 0: shared[0:5] = b"child"; private[0:5] = b"alone"; os._exit(0)
        os.waitpid(pid, 0); print(shared[:5], private[:5]); shared.move(1000, 0, 5); print(shared[1000:1005]); shared.resize(300000); print(len(shared), os.fstat(file.fileno()).st_size); shared.madvise(mmap.MADV_DONTNEED); print(shared[:5])
try: mmap.mmap(-1, 0)
except (ValueError, OSError) as error: print(type(error).__name__)
anonymous = mmap.mmap(-1, 1 << 20); anonymous.write(b"x" * 70000); anonymous.seek(69999); print(anonymous.read(2), anonymous.tell(), sum(anonymous[::4096]) > 0); anonymous.close()
readonly = mmap.mmap(os.open("mapped", os.O_RDONLY), 1000, prot=mmap.PROT_READ)
try: readonly[0] = 1
except TypeError as error: print(error)
try: mmap.mmap(os.open("mapped", os.O_RDONLY), 1000)
except PermissionError as error: print(error)
libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.strlen.restype = ctypes.c_size_t; print(libc.strlen(b"twelve chars"), libc.abs(-5), libc.toupper(ord("a"))); libm = ctypes.CDLL("libm.so.6"); libm.pow.restype = ctypes.c_double; libm.pow.argtypes = [ctypes.c_double] * 2; print(libm.pow(2, 0.5)); print(libc.open(b"/nothing", 0), os.strerror(ctypes.get_errno()))
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)); numbers = (ctypes.c_int * 8)(5, 3, 8, 1, 9, 2, 7, 4); libc.qsort(numbers, 8, 4, COMPARE(lambda a, b: a[0] - b[0])); print(list(numbers))
class Pair(ctypes.Structure): _fields_ = [("a", ctypes.c_int8), ("b", ctypes.c_double), ("c", ctypes.c_uint16, 5)]
pair = Pair(1, 2.5, 31); print(ctypes.sizeof(Pair), Pair.b.offset, pair.c, bytes(pair)[:1]); text = ctypes.create_string_buffer(100); libc.snprintf(text, 100, b"%d %s %.2f", 5, b"words", ctypes.c_double(1.5)); print(text.value); pointer = ctypes.cast(text, ctypes.POINTER(ctypes.c_char)); print(pointer[:3]); ctypes.memset(text, ord("z"), 4); print(text.value[:6])
class Div(ctypes.Structure): _fields_ = [("quot", ctypes.c_int), ("rem", ctypes.c_int)]
libc.div.restype = Div; d = libc.div(17, 5); print(d.quot, d.rem); print(libc.mprotect(0, 0, 0), libc.mprotect(1, 1, 0), os.strerror(ctypes.get_errno()))
block = shared_memory.SharedMemory(create=True, size=100000); block.buf[:4] = b"data"; pid = os.fork()
if pid == 0:
    other = shared_memory.SharedMemory(name=block.name); other.buf[4:8] = bytes(other.buf[:4]).upper(); other.close(); os._exit(0)
os.waitpid(pid, 0); print(bytes(block.buf[:8]), block.size >= 100000, os.path.exists("/dev/shm/" + block.name)); block.close(); block.unlink(); print(os.path.exists("/dev/shm/" + block.name), os.listdir("/dev/shm"))
big = [bytearray(100000) for _ in range(300)]; view = memoryview(big[7]); view[5:8] = b"abc"; print(big[7][4:9], sum(map(len, big))); del big, view; values = array.array("d", range(100000)); print(sum(values), values.itemsize); print(values.tobytes()[:9].hex())
class Node: pass
node = Node(); node.self = node; watch = weakref.ref(node); del node; gc.collect(); print(watch() is None, sys.getrefcount(None) > 10); os.unlink("mapped")
