"""Requests a second over HTTP, by wrk at 64 connections: the questions, and fixed bodies beside.

Called by `cargo xtask bench query` with the two URLs and a token; prints JSON lines. Each request
differs from the last.
"""

import argparse
import json
import os
import re
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

BILLING = "/settings/billing/usage"
# By question: Lua for a path that differs from request to request, and one such path.
PATHS = {
    "q1": (f'"/enterprises/bench{BILLING}/summary?year=" .. (2024 + n % 2)',
           f"/enterprises/bench{BILLING}/summary?year=2025"),
    "q4": (f'"/organizations/org-" .. (n % 10) .. "{BILLING}?year=2025&month=9&day=" .. (1 + n % 30)',
           f"/organizations/org-1{BILLING}?year=2025&month=9&day=3"),
}
ALL = f"/enterprises/bench{BILLING}?year=2025&month=9"


def wrk(url, path, token, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"local n = 0\nrequest = function()\n  n = n + 1\n"
                     f"  return wrk.format('GET', {path})\nend\n")
        script.flush()
        command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", script.name, url]
        if token:
            command += ["-H", f"Authorization: Bearer {token}"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out:
        raise RuntimeError(out)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return rate, re.search(r"99%\s+(\S+)", out).group(1)


def fetch(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    started = time.perf_counter()
    size = 0
    with urllib.request.urlopen(request) as answer:
        while block := answer.read(1 << 20):
            size += len(block)
    return size, time.perf_counter() - started


def resident(pid, key="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(key + r":\s+(\d+)", status.read()).group(1)) * 1024


def disk(data):
    """Bytes of the blobs that manifests name (statements), and of everything else (the ledger)."""
    connection = sqlite3.connect(f"file:{data}/tallybook.db?mode=ro", uri=True)
    named = set()
    for (manifest,) in connection.execute("SELECT bytes FROM manifests"):
        at = 4
        count, at = varint(manifest, at)
        for _ in range(count):
            _, at = varint(manifest, at)
            parts, at = varint(manifest, at + 32)
            named.update(manifest[at + 32 * part:at + 32 * (part + 1)] for part in range(parts))
            at += 32 * parts
    statements = sum(size for id, size in connection.execute("SELECT id, stored_size FROM blobs")
                     if bytes(id) in named)
    whole = os.path.getsize(f"{data}/tallybook.db")
    print(json.dumps({"event": "disk", "statement_bytes": statements,
                      "ledger_bytes": whole - statements}), flush=True)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("server")
    arguments.add_argument("token")
    arguments.add_argument("pid")
    arguments.add_argument("data")
    arguments.add_argument("fixed_program")
    arguments.add_argument("--seconds", type=int, default=5)
    arguments = arguments.parse_args()
    disk(arguments.data)
    sizes = [fetch(arguments.server + sample, arguments.token)[0] for _, sample in PATHS.values()]
    fixed = subprocess.Popen([arguments.fixed_program, "fixed", "--sizes",
                              ",".join(map(str, sizes))], stdout=subprocess.PIPE, text=True)
    try:
        fixed_url = fixed.stdout.readline().split()[-1]
        for index, name in enumerate(PATHS):
            # In turns, so that a slow spell of the machine hits both.
            ours, theirs = [], []
            for _ in range(3):
                ours.append(wrk(arguments.server, PATHS[name][0], arguments.token,
                                arguments.seconds))
                theirs.append(wrk(fixed_url, f'"/{index}"', None, arguments.seconds))
            median = sorted(ours)[1]
            base = sorted(theirs)[1]
            print(json.dumps({"event": "http", "question": name, "bytes": sizes[index],
                              "requests_per_second": median[0], "p99": median[1],
                              "fixed_requests_per_second": base[0],
                              "share": median[0] / base[0]}), flush=True)
    finally:
        fixed.kill()
    before = resident(arguments.pid)
    runs = [fetch(arguments.server + ALL, arguments.token) for _ in range(5)]
    size, seconds = sorted(runs, key=lambda run: run[1])[2]
    print(json.dumps({"event": "stream", "question": "q3", "bytes": size,
                      "bytes_per_second": size / seconds, "resident_before": before,
                      "resident_after": resident(arguments.pid)}), flush=True)
    for path in [sample for _, sample in PATHS.values()] + [ALL]:
        fetch(arguments.server + path, arguments.token)
    print(json.dumps({"event": "memory", "engine": "Tallybook", "after": resident(arguments.pid),
                      "peak": resident(arguments.pid, "VmHWM")}), flush=True)


if __name__ == "__main__":
    main()
