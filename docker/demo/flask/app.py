"""A Flask program like any other: it knows of no proxy, of no certificate and of no registry."""
import os
import socket

from flask import Flask, jsonify

app = Flask(__name__)
told = 0


@app.get("/")
def hello():
    global told
    told += 1
    return jsonify(hello="from Flask", replica=socket.gethostname(), told=told)


@app.get("/healthz")
def healthz():
    return "fine\n"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "5000")), threaded=True)
