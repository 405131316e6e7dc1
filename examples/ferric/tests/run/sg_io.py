"""SG_IO of both versions, with one buffer and with several, and what a command reports."""
import ctypes, fcntl, os, struct

def address(buffer):
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))

def version_3(path, cdb, direction, data, vectors=0, length=None):
    node = os.open(path, os.O_RDWR)
    command, sense = bytearray(cdb), bytearray(32)
    header = bytearray(struct.pack('iiBBHIQQQIIi4xQBBBBHHiII4x', ord('S'), direction, len(cdb), 32, vectors,
        len(data) if length is None else length, address(data) if data else 0, address(command), address(sense),
        20000, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    fcntl.ioctl(node, 0x2285, header)
    os.close(node)
    (status, masked, _, sense_len, host, driver, residual, _, info) = struct.unpack('BBBBHHiII', header[64:84])
    return status, masked, host, driver, residual, info, bytes(sense[:sense_len])

inquiry = bytes([0x12, 0, 0, 0, 96, 0])
data = bytearray(96)
print(version_3('/dev/sg1', inquiry, -3, data), bytes(data[8:16]))
# Three buffers of 8, 8 and 80 bytes.
parts = [bytearray(8), bytearray(8), bytearray(80)]
vectors = bytearray(b''.join(struct.pack('QQ', address(part), len(part)) for part in parts))
print(version_3('/dev/nst0', inquiry, -3, vectors, vectors=3, length=96)[4], bytes(parts[1]), bytes(parts[2][:7]))
# An unknown operation code.
status, masked, host, driver, residual, info, sense = version_3('/dev/sg1', bytes([0xff, 0, 0, 0, 0, 0]), -1, bytearray())
print(status, masked, host, driver, residual, info, sense[2] & 15, hex(sense[12]))
# A block from two buffers, and back.
os.system('mt -f /dev/nst0 rewind')
parts = [bytearray(b'first '), bytearray(b'second')]
vectors = bytearray(b''.join(struct.pack('QQ', address(part), len(part)) for part in parts))
print(version_3('/dev/sg1', bytes([0x0a, 0, 0, 0, 12, 0]), -2, vectors, vectors=2, length=12)[:5])
os.system('mt -f /dev/nst0 rewind')
block = bytearray(20)
print(version_3('/dev/sg1', bytes([8, 2, 0, 0, 20, 0]), -3, block)[4], bytes(block[:12]))

node = os.open('/dev/bsg/0:0:0:1', os.O_RDWR)
command, data = bytearray(inquiry), bytearray(96)
header = bytearray(struct.pack('iIIIQQIIIIQIIIIQQII', ord('Q'), 0, 0, 6, address(command), 0, 0, 0, 0, 0, 0, 0, 0, 0, 96,
    0, address(data), 20000, 0) + bytes(64))
fcntl.ioctl(node, 0x2285, header)
print(struct.unpack('i', header[136:140])[0], bytes(data[16:27]))
try: fcntl.ioctl(os.open('/dev/sg1', os.O_RDWR), 0x2285, header)
except OSError as failed: print(failed.strerror)

# The C library's own streams.
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.fgets.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(b'/dev/nst0', b'w'))
libc.fputs(b'a line\n', stream)
print(libc.fclose(stream))
os.system('mt -f /dev/nst0 rewind; dd if=/dev/nst0 bs=64k status=none')
os.system('mt -f /dev/nst0 rewind')
stream, line = ctypes.c_void_p(libc.fopen(b'/dev/nst0', b'r')), ctypes.create_string_buffer(20)
libc.fgets(line, 20, stream)
print(line.value, libc.fclose(stream))
