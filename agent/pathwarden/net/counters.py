"""How many bytes a device has received and sent, as the kernel counts them."""

from pathlib import Path

_DEVICES = Path("/sys/class/net")


class Counters:
    """Reads the counters of devices. Two small files a device, 30 microseconds on a computer."""

    def __init__(self, devices: Path = _DEVICES) -> None:
        self._devices = devices

    def read(self, device: str) -> tuple[int, int] | None:
        """Bytes received and sent since the device exists; None if there is no such device."""
        if not device or "/" in device:
            return None
        folder = self._devices / device / "statistics"
        try:
            return int((folder / "rx_bytes").read_bytes()), int((folder / "tx_bytes").read_bytes())
        except (OSError, ValueError):  # it went in this moment
            return None
