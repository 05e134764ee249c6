"""Whether a device is a VRF, asked of its driver; needs no privilege."""

import array
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946  # linux/sockios.h
_GDRVINFO = 0x00000003  # linux/ethtool.h
_INFO = 196  # bytes of struct ethtool_drvinfo
_DRIVER = slice(4, 36)
_IFREQ = struct.Struct("16sP")
_NAME = 15  # IFNAMSIZ without the closing NUL


def is_vrf(device: str) -> bool:
    """Whether this device is there and its driver is the kernel's `vrf`."""
    info = array.array("B", struct.pack("=I", _GDRVINFO) + bytes(_INFO - 4))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            fcntl.ioctl(sock, _SIOCETHTOOL, _IFREQ.pack(device.encode()[:_NAME], info.buffer_info()[0]).ljust(40, b"\0"))
        except OSError:  # no such device, or one whose driver does not say
            return False
    return bytes(info[_DRIVER]).rstrip(b"\0") == b"vrf"
