"""HTTP/2 made of bytes: what an honest library would refuse to send can be said, too."""
import select
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4                   # a setting
STATUS_200 = 0x88                    # HPACK's index of ":status: 200"
PATIENCE = 300                       # seconds: only a hang is longer


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value):
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, out = len(value) - 127, b"\x7f"
    while rest >= 128:
        out, rest = out + bytes([rest % 128 + 128]), rest // 128
    return out + bytes([rest]) + value


def field(name, value, kept=False):
    """A literal; `kept`: it goes into the dynamic table, where it is number 62."""
    return (b"\x40" if kept else b"\x00") + _text(name) + _text(value)


def request(method=b"GET", more=b"", path=b"/"):
    return field(b":method", method) + field(b":scheme", b"http") + field(b":path", path) + field(b":authority", b"web") + more


def headers(stream, block, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, block)


def setting(number, value):
    return struct.pack(">HI", number, value)


def credit(stream, value):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", value))


class Connection:
    """Blocking, one thread. Ends with the object, or close()."""

    def __init__(self, port, settings=b"", hello=True):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.unread = b""
        if hello:
            self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        """False when the peer has gone. Takes what has come meanwhile: what nobody reads is lost when the peer goes."""
        try:
            self.socket.sendall(data)
            while select.select([self.socket], [], [], 0)[0] and (more := self.socket.recv(65536)):
                self.unread += more
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _exactly(self, size):
        while len(self.unread) < size:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.unread += more
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def read(self):
        """(kind, flags, stream, payload) of the next frame; None at the end."""
        head = self._exactly(9)
        if head is None:
            return None
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._exactly(int.from_bytes(head[:3], "big"))
        return None if payload is None else (kind, flags, stream & 0x7fffffff, payload)

    def reason(self):
        """What the last GOAWAY before the end says; None without one."""
        said = None
        while got := self.read():
            if got[0] == GOAWAY:
                said = got[3][8:].decode("ascii", "replace")
        return said

    def close(self):
        self.socket.close()
