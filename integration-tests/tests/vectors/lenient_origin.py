"""An origin that takes what a strict one refuses: bare line feeds, sizes with
spaces, `Transfer-Encoding` spelt in any way, and the last of several lengths.
Tells its port, then of each request its target."""

import http.server
import socketserver


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        coding = ",".join(self.headers.get_all("transfer-encoding", []))
        if "chunked" in coding.lower():
            while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            lengths = ",".join(self.headers.get_all("content-length", ["0"]))
            self.rfile.read(int(lengths.split(",")[-1].strip() or "0"))

    def answer(self):
        print(self.path, flush=True)
        self.body()
        words = f"lenient serves {self.path}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(words)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(words)

    def log_message(self, *_):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
