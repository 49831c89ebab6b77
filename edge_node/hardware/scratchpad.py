"""PURE: the nine bytes of a DS18B20's scratchpad, as the kernel's `w1_slave` file prints them."""

SIZE = 9
CONVERSION_S = {9: 0.095, 10: 0.190, 11: 0.375, 12: 0.750}  # what the kernel waits (w1_therm)
CONFIG_BYTE = {9: 0x1F, 10: 0x3F, 11: 0x5F, 12: 0x7F}  # by resolution in bits (datasheet)


def crc8(data: bytes) -> int:
    """Dallas/Maxim CRC: x^8 + x^5 + x^4 + 1, reflected, start 0 (Maxim application note 27)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc


def parse(line: str) -> bytes | None:
    """The nine bytes at the start of a line of `w1_slave`; None if they are not there."""
    words = line.split()[:SIZE]
    if len(words) < SIZE or any(len(word) != 2 for word in words):
        return None
    try:
        return bytes(int(word, 16) for word in words)
    except ValueError:
        return None


def fault(lines: list[str]) -> str | None:
    """Why the text of a `w1_slave` file gives no temperature, or None if it gives one.

    `empty`: what current kernels show for a failed read. `crc`: an old kernel's NO, or bytes that
    belie their checksum. `zeros`: a shorted bus, whose CRC is valid. `short`: anything incomplete.
    """
    if not "".join(lines).strip():
        return "empty"
    data = parse(lines[0])
    if data is None or not lines[0].rstrip().endswith(("YES", "NO")):
        return "short"
    if not any(data):
        return "zeros"
    if not lines[0].rstrip().endswith("YES") or crc8(data[:8]) != data[8]:
        return "crc"
    # Line 2 is what the value is taken from.
    if len(lines) < 2 or parse(lines[1]) != data or "t=" not in lines[1]:
        return "short"
    return None


def looks_genuine(data: bytes) -> bool:
    """Whether byte 6 counts what it counts in a genuine part after a conversion.

    Most clones keep it fixed (cpetrich/counterfeit_DS18B20); at power-on a genuine part says 0x0C.
    """
    return data[6] == 0x10 - (data[0] & 0x0F)
