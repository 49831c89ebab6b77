"""What can go wrong with a simulated probe or output, and the bytes that a probe then shows."""

from enum import StrEnum
from typing import Final

from edge_node.hardware.scratchpad import CONFIG_BYTE, crc8

SLOW_S: Final = 3.0  # how late a slow probe answers
LIE_K: Final = 10  # by how much a probe that is high or low is wrong


class Fault(StrEnum):
    """A fault by the name it has in `faults.json`."""

    EMPTY = "empty"
    BAD_CRC = "bad_crc"
    MISSING = "missing"
    POWER_ON = "power_on"
    NO_POWER = "no_power"
    ZEROS = "zeros"
    FROZEN = "frozen"
    CROSS_TALK = "cross_talk"
    SLOW = "slow"
    DISCONNECTED = "disconnected"
    CLONE = "clone"
    HIGH = "high"
    LOW = "low"
    WELDED = "welded"
    DEAD = "dead"
    DRY = "dry"


# An analogue input knows no scratchpad: its wire is broken (`zeros`), or its file is not right.
# A relay or contactor that stays closed whatever it is told; an element or a motor that is broken.
OUTPUT_FAULTS: Final = frozenset({Fault.WELDED, Fault.DEAD})
# A kettle that has run dry but for a puddle around its element.
VESSEL_FAULTS: Final = frozenset({Fault.DRY})
IIO_FAULTS: Final = frozenset({Fault.EMPTY, Fault.MISSING, Fault.ZEROS, Fault.FROZEN})

_FACTORY_ALARMS = bytes((0x4B, 0x46))  # TH, TL
_POWER_ON_BYTE_6 = 0x0C
_POWER_ON_CODE = 85 * 16
_NO_POWER_CODE = 0x07FF
_CLONE_CODE = 25 * 16
_DISCONNECTED_CODE = -127 * 16


def scratchpad(code: int, bits: int, byte_6: int | None = None) -> bytes:
    """A genuine DS18B20's nine bytes for a temperature of `code` sixteenths at `bits` resolution.

    Byte 6 is 0x10 less the low four bits of byte 0, as genuine parts count it, unless given.
    """
    low, high = code & 0xFF, (code >> 8) & 0xFF
    if byte_6 is None:
        byte_6 = 0x10 - (low & 0x0F)
    body = bytes((low, high)) + _FACTORY_ALARMS + bytes((CONFIG_BYTE[bits], 0xFF, byte_6, 0x10))
    return body + bytes((crc8(body),))


def faulty_scratchpad(fault: Fault | None, good: bytes, bits: int) -> bytes:
    """What the probe holds under `fault`, `good` being what it holds without."""
    match fault:
        case Fault.POWER_ON:
            return scratchpad(_POWER_ON_CODE, bits, _POWER_ON_BYTE_6)
        case Fault.NO_POWER:
            return scratchpad(_NO_POWER_CODE, bits, _POWER_ON_BYTE_6)
        case Fault.DISCONNECTED:
            return scratchpad(_DISCONNECTED_CODE, bits)
        case Fault.CLONE:
            return scratchpad(_CLONE_CODE, bits, _POWER_ON_BYTE_6)
        case Fault.ZEROS:
            return bytes(9)  # its CRC is 0: valid
        case Fault.HIGH:
            return scratchpad(_code(good) + LIE_K * 16, bits)
        case Fault.LOW:
            return scratchpad(_code(good) - LIE_K * 16, bits)
        case _:
            return good


def w1_slave_text(data: bytes) -> bytes:
    """The two lines of a good read, as `w1_therm` prints them: C's division, toward zero."""
    printed = " ".join(f"{byte:02x}" for byte in data)
    text = f"{printed} : crc={data[8]:02x} YES\n{printed} t={milli_celsius(data)}\n"
    return text.encode()


def w1_slave_no_text(data: bytes) -> bytes:
    """The two lines of an old kernel after a read whose checksum did not fit."""
    printed = " ".join(f"{byte:02x}" for byte in data)
    broken = " ".join(f"{byte:02x}" for byte in (*data[:8], data[8] ^ 0xFF))
    text = f"{broken} : crc={data[8]:02x} NO\n{printed} t={milli_celsius(data)}\n"
    return text.encode()


def _code(data: bytes) -> int:
    return int.from_bytes(data[:2], "little", signed=True)


def milli_celsius(data: bytes) -> int:
    """The temperature of a scratchpad in thousandths of a degree, truncated toward zero."""
    return int(_code(data) * 1000 / 16)
