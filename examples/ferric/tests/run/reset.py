"""SG_SCSI_RESET, and the sense data of the next TEST UNIT READY of the drive and of the changer."""
import ctypes, fcntl, os, struct

drive, changer = (os.open(node, os.O_RDWR) for node in ('/dev/sg1', '/dev/sg0'))

def sense(node):
    command, sense = ctypes.create_string_buffer(6), ctypes.create_string_buffer(32)
    header = bytearray(struct.pack('iiBBHIQQQIIi4xQBBBBHHiII4x', ord('S'), -1, 6, 32, 0, 0, 0, ctypes.addressof(command),
        ctypes.addressof(sense), 20000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    fcntl.ioctl(node, 0x2285, header)
    return '%x/%02x/%02x' % (sense.raw[2], sense.raw[12], sense.raw[13]) if header[64] else 'none'

for kind in (0, 1, 0x101, 4, 2, 3, 7):
    while sense(drive) != 'none' or sense(changer) != 'none': pass
    try: result = fcntl.ioctl(drive, 0x2284, struct.pack('i', kind)) and 'done'
    except OSError as failed: result = failed.strerror
    print(kind, result, sense(drive), '/', sense(changer))
