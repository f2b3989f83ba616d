"""Builds @MB@ MB of blocks and small objects, changes them in several orders, and hashes them."""
import hashlib

MB = @MB@
blocks = [bytearray((i * 7 + j) & 255 for j in range(1024)) * 1024 for i in range(MB // 2)]
words = {}
for i in range(MB * 3500):
    words[f"key {i * 2654435761 % 4294967296:x}"] = ("value", i, str(i * i))
for step in (1, 7, 31):
    for i in range(0, len(blocks) * 256, step):
        block = blocks[(i * step) % len(blocks)]
        at = (i * 4099) % len(block)
        block[at] = (block[at] + i) & 255
copy = [bytes(block) for block in blocks[:: 8]]
total = hashlib.sha256()
for block in blocks:
    total.update(block)
for block in copy:
    total.update(block)
print(len(blocks), total.hexdigest())
total = hashlib.sha256()
for key in sorted(words):
    total.update(key.encode())
    total.update(repr(words[key]).encode())
print(len(words), total.hexdigest())
