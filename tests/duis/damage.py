"""Damage to messages, octet by octet and token by token, from a seeded source of chance."""

from random import Random

TOKENS = [
    *(b"<!--", b"-->", b"--", b"<![CDATA[", b"]]>", b"<?", b"?>", b"<?xml version='1.0'?>", b"<!DOCTYPE x>"),
    *(b"&#45;", b"&lt;", b"&amp;", b"&x;", b"&", b"<", b">", b"/", b"'", b'"', b"=", b":", b"\n", b"\r", b"\t", b" "),
    *(b"\0", b"\x01", b"\x7f", b"\x85", b"\xa0", b"\xc3\xa9", b"\xc3", b"\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\x0c"),
    *(b"Header>", b"<sr:Header>", b"</sr:Header>", b"<Header>", b"<x:Header>", b"<sr:Header >", b"<sr:Header/>"),
    *(b"<sr:Body/>", b"<sr:RequestID>", b"</sr:RequestID>", b"<sr:FirstInSequence>true</sr:FirstInSequence>"),
    *(b"<sr:CommandVariant>9</sr:CommandVariant>", b"<sr:CommandVariant>2</sr:CommandVariant>"),
    *(b' xmlns:sr="x"', b' xmlns=""', b' xmlns:sr=""', b" xmlns='http://www.dccinterface.co.uk/ServiceUserGateway'"),
    *(b' xmlns:x="http://www.dccinterface.co.uk/ServiceUserGateway"', b' xmlns:xml="x"', b' xmlns:xmlns="x"'),
    *(b' schemaVersion="4.1"', b' sr:schemaVersion="4.1"', b' xsi:nil="true"', b' u:a="1"', b" a='<'", b" a='>'"),
    *(b' encoding="utf-16"', b' encoding="latin-1"', b' encoding="windows-1252"', b' version="1.1"'),
    *(b"sr:", b"x:", b"xml:", b"xmlns:", b"00", b"-", b"+", b"1e1", b"18446744073709551616", b"Request"),
]
WINDOW = 900  # most of what matters stands in the first octets


def damaged(chance: Random, octets: bytes, others: list[bytes]) -> bytes:
    """One to four mishaps to a message."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        octets = _one(chance, octets, others)
    return octets


def _one(chance: Random, octets: bytes, others: list[bytes]) -> bytes:
    at = chance.randrange(min(len(octets), WINDOW) + 1)
    length = chance.choice((1, 1, 1, 2, 3, 8, 40, 200))
    kind = chance.randrange(9)
    if kind == 0:
        return octets[:at] + octets[at + length :]
    if kind == 1:
        return octets[:at] + bytes([chance.randrange(256)]) + octets[at:]
    if kind == 2:
        return octets[:at] + bytes([chance.randrange(256)]) + octets[at + 1 :]
    if kind == 3:
        return octets[:at] + octets[at : at + length] + octets[at:]
    if kind == 4:
        other = chance.choice(others)
        return octets[:at] + other[chance.randrange(min(len(other), WINDOW) + 1) :]
    if kind == 5:
        other = chance.choice(others)
        start = chance.randrange(min(len(other), WINDOW) + 1)
        return octets[:at] + other[start : start + length] + octets[at:]
    if kind == 6:
        token = chance.choice(TOKENS)
        return octets[:at] + token + octets[at + chance.choice((0, 0, 0, len(token))) :]
    if kind == 7:  # where tokens meet
        places = [place for place in range(min(len(octets), WINDOW)) if octets[place] in b'<> \n"=:']
        place = chance.choice(places or [0]) + chance.randrange(2)
        return octets[:place] + chance.choice(TOKENS) + octets[place:]
    return octets[:at]
