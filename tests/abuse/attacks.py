"""What a hostile client of HTTP/2 does. Each sends without end, or leaves something without one, until it is cut off; the
table says by which limit. A flood's length is bounded far above every limit: one that is not cut off is seen to be."""
import struct
import threading

from frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, PING, PREFACE, PRIORITY,
                    RST_STREAM, SETTINGS, Connection, credit, field, frame, headers, request, setting)

MANY, BATCH, STREAMS = 20000, 100, 100
UPPER = request(more=field(b"Upper", b"case"))
POST = request(b"POST", path=b"/silent")   # to where nobody answers


def flood(piece, before=b""):
    """piece(i): the bytes of one go. What the victim said, and None when it let it all pass."""
    flow = []                        # in batches, each kept when it has been made: an attacker loses no time
    making = threading.Lock()        # attackers share it: a batch made by two would be sent twice

    def batches():
        for at in range(MANY // BATCH):
            with making:
                if at == len(flow):
                    flow.append(b"".join(piece(i) for i in range(at * BATCH, (at + 1) * BATCH)))
            yield flow[at]

    def attack(port):
        connection = Connection(port)
        if connection.send(before) and all(connection.send(batch) for batch in batches()):
            connection.socket.settimeout(20)   # else it is known to have been cut off
        return connection.reason()
    return attack


def once(data, hello=True):
    def attack(port):
        connection = Connection(port, hello=hello)
        connection.send(data)
        return connection.reason()
    return attack


def stream(i):
    return 3 + 2 * i


def bomb():
    """A field of 4,000 bytes and then, a byte each, 60,000 times the same."""
    block = request(more=field(b"x", b"y" * 4000, kept=True)) + b"\xbe" * 60000
    first, rest = block[:16384], [block[at:at + 16384] for at in range(16384, len(block), 16384)]
    pieces = [frame(CONTINUATION, END_HEADERS if at == len(rest) - 1 else 0, 1, piece) for at, piece in enumerate(rest)]
    return frame(HEADERS, END_STREAM, 1, first) + b"".join(pieces)


def cancel(number):
    return frame(RST_STREAM, 0, number, struct.pack(">I", 8))


# name -> (attack, what the GOAWAY says, and the counter malformed_requests)
FLOODS = {
    "rapid reset": (flood(lambda i: headers(stream(i), request()) + cancel(stream(i))), "rapid_reset"),
    "resets provoked": (flood(lambda i: headers(stream(i), UPPER)), "rapid_reset"),
    "streams beyond the limit": (flood(lambda i: headers(stream(i), POST, END_HEADERS)), "rapid_reset"),
    "CONTINUATION": (flood(lambda i: frame(CONTINUATION, 0, 1), frame(HEADERS, 0, 1, request())), "continuation_flood"),
    "header list": (flood(lambda i: headers(stream(i), request(more=field(b"a", b"") * 2000))), "header_list_flood"),
    "HPACK bomb": (once(bomb()), "header_list_flood"),
    "SETTINGS": (flood(lambda i: frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW, i))), "settings_flood"),
    "PING": (flood(lambda i: frame(PING, 0, 0, b"12345678")), "ping_flood"),
    "empty DATA": (flood(lambda i: frame(DATA, 0, 1), headers(1, POST, END_HEADERS)), "empty_frame_flood"),
    "PRIORITY": (flood(lambda i: frame(PRIORITY, 0, 1, b"\0\0\0\0\1"), headers(1, POST, END_HEADERS)), "empty_frame_flood"),
    "unknown frames": (flood(lambda i: frame(0xee, 0, 0)), "empty_frame_flood"),
    "WINDOW_UPDATE": (flood(lambda i: credit(1, 1), headers(1, POST, END_HEADERS)), "window_update_flood"),
}


def resets(connection, wanted):
    """Streams the victim has taken back, until it is so many."""
    seen = set()
    while len(seen) < wanted and (got := connection.read()):
        if got[0] == RST_STREAM:
            seen.add(got[2])
    return len(seen)


def slow_read(port):
    connection = Connection(port, setting(INITIAL_WINDOW, 1))
    connection.send(b"".join(headers(stream(i), request()) for i in range(STREAMS)))
    return resets(connection, STREAMS)


def never_finished(port):
    connection = Connection(port)
    connection.send(b"".join(headers(stream(i), POST, END_HEADERS) + frame(DATA, 0, stream(i), b"x") for i in range(STREAMS)))
    return resets(connection, STREAMS)


# name -> (attack, the streams that must be taken back, labels of requests_total they are counted with)
STREAMS_LEFT = {
    "tiny window": (slow_read, STREAMS, 'flag="idle_timeout"'),
    "streams never finished": (never_finished, STREAMS, 'code="408",flag="idle_timeout"'),
}

# name -> (attack, what the GOAWAY says); counted as connections_closed header_timeout
HEADS_LEFT = {
    "a head without an end": (once(frame(HEADERS, 0, 1, request())), "request_header_timeout"),
    "a preface without SETTINGS": (once(PREFACE, hello=False), "request_header_timeout"),
    "half a preface": (once(PREFACE[:10], hello=False), None),
    "nothing": (once(b"", hello=False), None),
}
