"""The first answer of a fresh server process, for each question; and how long it takes to listen.

Called by `cargo xtask bench query`; prints JSON lines. The database is dropped from the operating
system's cache before each start, so that the disk is part of it.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

BILLING = "/enterprises/bench/settings/billing"


def drop_cache(data):
    with open(os.path.join(data, "tallybook.db"), "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def get(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


class Server:
    def __init__(self, program, data, address, token, now, cache_bytes):
        command = [program, "serve", "--listen", address, "--now", now, "--data", data,
                   "--cache-bytes", cache_bytes]
        self.url, self.token = f"http://{address}", token
        started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL,
                                        env={**os.environ, "TALLYBOOK_ADMIN_TOKEN": token})
        while True:
            try:
                get(f"{self.url}/healthz", token)
                break
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None or time.perf_counter() - started > 60:
                    sys.exit("the server does not answer")
                time.sleep(0.001)
        self.ready = time.perf_counter() - started

    def ask(self, path):
        started = time.perf_counter()
        size = len(get(self.url + path, self.token))
        return size, (time.perf_counter() - started) * 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def main():
    program, data, *how = sys.argv[1:]
    with Server(program, data, *how) as server:
        centers = json.loads(get(server.url + BILLING + "/cost-centers", server.token))
    center = centers["costCenters"][0]["id"]
    questions = {
        "q1": f"{BILLING}/usage/summary?year=2025",
        "q1f": f"{BILLING}/usage/summary?year=2025&cost_center_id={center}",
        "q2": f"{BILLING}/premium_request/usage?year=2025&month=9&user=user-1",
        "q3": f"{BILLING}/usage?year=2025&month=9",
        "q4": "/organizations/org-1/settings/billing/usage?year=2025&month=9&day=3",
        "q5": f"{BILLING}/usage/summary?year=2025&repository=org-1/repo-1",
    }
    for name, path in questions.items():
        drop_cache(data)
        with Server(program, data, *how) as server:
            size, cold = server.ask(path)
            _, again = server.ask(path)
            print(json.dumps({"event": "cold", "question": name, "bytes": size,
                              "start_ms": server.ready * 1000, "first_ms": cold,
                              "second_ms": again}), flush=True)


if __name__ == "__main__":
    main()
