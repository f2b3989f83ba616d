"""python3.11: descriptors of later kernels: sealed memory, processes as files, copies between files."""
import fcntl, os, select, signal, time

r, w = os.pipe()
memory = os.memfd_create("name", os.MFD_ALLOW_SEALING); os.write(memory, b"sealed"); fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
print(fcntl.fcntl(memory, fcntl.F_GET_SEALS))
try: os.write(memory, b"x")
except PermissionError as error: print(error)
try: os.ftruncate(memory, 1)
except PermissionError as error: print(error)
pid = os.fork()
if pid == 0: time.sleep(0.1); os._exit(0)
pidfd = os.pidfd_open(pid); poller = select.poll(); poller.register(pidfd, select.POLLIN); print(poller.poll(0), len(poller.poll(5000)), os.waitid(os.P_PIDFD, pidfd, os.WEXITED).si_status)
try: signal.pidfd_send_signal(pidfd, 0)
except ProcessLookupError as error: print(error)
print(fcntl.fcntl(r, 1032) >= 4096, fcntl.fcntl(r, 1031, 65536 * 4) >= 65536, os.copy_file_range(memory, os.open("copy", os.O_RDWR | os.O_CREAT), 6, 0), open("copy").read())
