import http.server

from itsdangerous import URLSafeSerializer


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(URLSafeSerializer("key").dumps({"hello": "world"}).encode() + b"\n")


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
