"""A disk that a machine can boot from: one sector of program, which reads the next one, prints it and writes it to
the third."""

SECTOR, ORIGIN, BUFFER = 512, 0x7C00, 0x7E00
DEBUG_PORT = 0xE9  # QEMU's debugcon: a byte written there is a byte in a file
READ, WRITE = 0x42, 0x43  # INT 13h with a packet; the disk is in DL already


def packet(lba):
    """Disk address packet: size, one sector, buffer, where."""
    return bytes([16, 0, 1, 0]) + BUFFER.to_bytes(4, "little") + lba.to_bytes(8, "little")


def transfer(function, packet_address):
    """mov si, packet; mov ax, function << 8; int 13h"""
    return b"\xBE" + packet_address.to_bytes(2, "little") + bytes([0xB8, 0, function]) + b"\xCD\x13"


def program(from_packet, to_packet):
    return b"".join((
        b"\x31\xC0\x8E\xD8",  # xor ax, ax; mov ds, ax
        transfer(READ, from_packet),
        b"\x72\x14",  # jc halt
        b"\xBE" + BUFFER.to_bytes(2, "little"),  # mov si, BUFFER
        b"\xAC\x84\xC0\x74\x04",  # next: lodsb; test al, al; jz write
        bytes([0xE6, DEBUG_PORT]) + b"\xEB\xF7",  # out DEBUG_PORT, al; jmp next
        transfer(WRITE, to_packet),  # write:
        b"\xF4\xEB\xFD",  # halt: hlt; jmp halt
    ))


def disk(text):
    """The bytes of a disk that prints `text`."""
    length = len(program(0, 0))
    packets = ORIGIN + length
    sector = program(packets, packets + 16) + packet(1) + packet(2)
    return sector.ljust(SECTOR - 2, b"\0") + b"\x55\xAA" + (text.encode() + b"\0").ljust(SECTOR, b"\0")
