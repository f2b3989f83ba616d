"""python3.11: sockets, selectors, poll, epoll."""
import array, os, select, selectors, socket, socketserver, struct, sys, tempfile, threading

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile: self.wfile.write(line[::-1])
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    for n in range(3):
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"line %d\n" % n); client.shutdown(socket.SHUT_WR); print(client.makefile("rb").read())
    server.shutdown()
a, b = socket.socketpair()
a.settimeout(0.05)
try: a.recv(1)
except TimeoutError as error: print("timed out", error)
a.sendmsg([b"one", b"two"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [os.open("/etc/hosts", os.O_RDONLY)]))])
data, ancillary, flags, _ = b.recvmsg(100, socket.CMSG_SPACE(4)); fd = struct.unpack("i", ancillary[0][2])[0]; print(data, flags & ~socket.MSG_CMSG_CLOEXEC, os.read(fd, 9)); os.close(fd)
buffer = bytearray(1 << 20); sent = 0; b.setblocking(False); a.setblocking(False)
try:
    while True: sent += a.send(buffer)
except BlockingIOError: print("full", sent > 100000)
received = 0
try:
    while True: received += len(b.recv(1 << 16))
except BlockingIOError as error: print("empty", sent == received, error.errno)
b.close()
try: a.send(b"x")
except BrokenPipeError as error: print(error)
u1, u2 = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
u1.bind(("127.0.0.1", 0)); u2.bind(("127.0.0.1", 0)); u2.sendto(b"datagram", u1.getsockname()); data, sender = u1.recvfrom(4); print(data, sender == u2.getsockname()); u1.connect(u2.getsockname()); u1.send(b"y" * 3000); print(len(u2.recv(65536)), u1.getpeername() == u2.getsockname())
server = socket.create_server(("127.0.0.1", 0), backlog=2); address = server.getsockname()
client = socket.socket(); client.setblocking(False); print(client.connect_ex(address) in (0, 115)); select.select([], [client], [], 2); print(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)); peer, where = server.accept(); print(where == client.getsockname(), peer.getsockname() == address)
for option in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_REUSEADDR)): client.setsockopt(*option, 1); print(client.getsockopt(*option) != 0)
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); print(server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), client.type, client.family, client.proto); client.close()
try: peer.setblocking(True); print(peer.recv(10))
except ConnectionResetError as error: print(error)
server.close(); late = socket.socket(); print(os.strerror(late.connect_ex(address)))
server = socket.socket(socket.AF_UNIX); server.bind("stream"); server.listen(); client = socket.socket(socket.AF_UNIX); client.connect("stream"); peer, name = server.accept(); print(repr(name), client.getpeername(), struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] == os.getpid()); peer.sendall(b"abc"); print(client.recv(2, socket.MSG_PEEK), client.recv(9)); print(os.strerror(socket.socket(socket.AF_UNIX).connect_ex("nothing")))
try: socket.socket(socket.AF_UNIX).bind("stream")
except OSError as error: print(error)
os.unlink("stream"); abstract = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); abstract.bind(b"\0name of this test"); abstract.listen(); one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); one.connect(abstract.getsockname()); two, _ = abstract.accept(); one.send(b"packet1"); one.send(b"packet2"); print(two.recv(3), two.recv(100)); d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind("dgram"); e = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); e.sendto(b"dgram", "dgram"); print(d.recvfrom(10)); os.unlink("dgram")
r, w = os.pipe(); epoll = select.epoll(); epoll.register(r, select.EPOLLIN | select.EPOLLET); print(epoll.poll(0.02)); os.write(w, b"12"); print([(f == r, e) for f, e in epoll.poll(1)], epoll.poll(0.02)); os.read(r, 1); os.write(w, b"3"); print(len(epoll.poll(1))); epoll.modify(r, select.EPOLLIN | select.EPOLLONESHOT); print(len(epoll.poll(1)), epoll.poll(0.02)); os.close(w); epoll.modify(r, 0); print([e for _, e in epoll.poll(1)]); epoll.unregister(r)
poll = select.poll(); poll.register(r, select.POLLIN); print([e for _, e in poll.poll(100)]); os.close(r); print([e for _, e in poll.poll(100)])
with selectors.DefaultSelector() as selector:
    a, b = socket.socketpair(); selector.register(a, selectors.EVENT_READ, "a"); selector.register(b, selectors.EVENT_WRITE, "b"); print([key.data for key, _ in selector.select(1)]); b.send(b"x"); print(sorted(key.data for key, _ in selector.select(1)))
print(socket.gethostbyname("localhost"), socket.inet_pton(socket.AF_INET6, "::1").hex(), socket.getservbyname if False else "", socket.ntohs(1), socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4], socket.has_ipv6)
if socket.has_ipv6:
    six = socket.socket(socket.AF_INET6); six.bind(("::1", 0)); six.listen(); c = socket.create_connection(six.getsockname()[:2]); print(six.accept()[1][0], c.family)
