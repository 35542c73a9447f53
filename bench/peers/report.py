"""From the JSON lines of all runs to RESULTS.md: a section a size, and what people wrote below.

`report.py machine` prints what a run was made on; `report.py write FOLDER RESULTS` writes the file
from every folder in FOLDER whose run has ended. Nothing after the marker is touched.
"""

import datetime
import json
import os
import platform
import sys

NAMES = {"q1": "a year's summary", "q1f": "the same for one cost center",
         "q2": "a month's premium requests of one user, by model",
         "q3": "all rows of the largest month, as JSON", "q4": "one day of one organization",
         "q5": "a year's summary of one repository"}
MARKER = "<!-- What stands below is written by hand, and stays. -->"
FILES = ["run", "import", "engine", "http", "cold", "peers"]


def machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) // 1024 // 1024
    return f"{os.cpu_count()} cores of {model}, {memory} GiB, Linux {platform.release()}"


def number(value):
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def mib(size):
    return f"{size / 2**20:,.0f}"


class Run:
    """What one size has printed."""

    def __init__(self, folder):
        self.rows = []
        for name in FILES:
            with open(os.path.join(folder, name + ".jsonl")) as file:
                self.rows += [json.loads(line) for line in file if line.startswith("{")]
        self.lines = sum(row["lines"] for row in self.of("import"))
        self.engines = [row["engine"] for row in self.of("load")]

    def of(self, event, **wanted):
        return [row for row in self.rows if row["event"] == event
                and all(row.get(key) == value for key, value in wanted.items())]

    def one(self, event, **wanted):
        return next(iter(self.of(event, **wanted)), None)

    def time(self, question, engine):
        return self.one("time", question=question, engine=engine)

    def best(self, question):
        """The median of the quickest of the others."""
        times = [self.time(question, engine)["median_ms"] for engine in self.engines]
        return min(times, default=None)

    def like(self, question):
        """Ours of like for like: the others write the JSON of q3, and no other."""
        own = self.time(question, "Tallybook")
        return (self.one("json", question=question) or own) if question == "q3" else own


def runs(folder):
    sizes = sorted((name for name in os.listdir(folder) if name.isdigit()), key=int)
    folders = [os.path.join(folder, name) for name in sizes]
    ended = [path for path in folders
             if all(os.path.exists(os.path.join(path, name + ".jsonl")) for name in FILES)
             and os.path.getsize(os.path.join(path, "run.jsonl"))]
    return [Run(path) for path in ended]


def table(out, head, rows):
    out.append("| " + " | ".join(head) + " |")
    out.append("|" + "---|" * len(head))
    out.extend("| " + " | ".join(row) + " |" for row in rows)
    out.append("")


def growth(out, all_runs):
    out.append("## How cost grows\n\nMilliseconds (median): Tallybook in the engine, and the best"
               " of the others that ran.\n")
    rows = []
    for name, what in NAMES.items():
        cells = []
        for run in all_runs:
            own, best = run.like(name)["median_ms"], run.best(name)
            cells += [number(own), "–" if best is None else number(best)]
        rows.append([f"{name}: {what}"] + cells)
    starts = [run.one("start") for run in all_runs]
    rows.append(["all 24 months from their checkpoints"]
                + [cell for start in starts for cell in (number(start["all_months_ms"]), "")])
    head = ["question"]
    for run in all_runs:
        head += [f"{run.lines / 1e6:,.0f} million lines", "best"]
    table(out, head, rows)


def questions(out, run):
    out.append("### Questions, in milliseconds (median, p99 and first)\n")
    rows = []
    for name, what in NAMES.items():
        own, best = run.time(name, "Tallybook"), run.best(name)
        json_of = run.one("json", question=name)
        shown = f"{number(own['median_ms'])} ({number(own['p99_ms'])})"
        if json_of:
            shown += (f"; with its JSON {number(json_of['median_ms'])}"
                      f" ({number(json_of['p99_ms'])})")
        cells = [shown]
        for engine in run.engines:
            row = run.time(name, engine)
            cells.append(f"{number(row['median_ms'])} ({number(row['p99_ms'])};"
                         f" {number(row['cold_ms'])})")
        ratio = "–" if best is None else f"{number(best / run.like(name)['median_ms'])} x"
        rows.append([f"{name}: {what}"] + cells + [ratio])
    table(out, ["question", "Tallybook, in the engine"] + run.engines + ["best / Tallybook"], rows)
    out.append("The JSON of q3 and q4 is written by the code that the server sends it with, a chunk"
               " at a time, on the cores that it has there: the next day's rows are made while one's"
               " are written. The ratio of q3 is with JSON on all sides.\n")


def over_http(out, run):
    out.append("### Over HTTP, 64 connections\n")
    rows = [[f"{row['question']}, {row['bytes']:,} bytes",
             f"{row['requests_per_second']:,.0f} (p99 {row['p99']})",
             f"{row['fixed_requests_per_second']:,.0f}", f"{row['share']:.2f}"]
            for row in run.of("http")]
    table(out, ["what", "requests/s", "the same stack, a fixed body of that size", "share"], rows)
    for row in run.of("stream"):
        growth = (row["resident_after"] - row["resident_before"]) / 1e6
        out.append(f"q3 streams {row['bytes']:,} bytes at {row['bytes_per_second'] / 1e6:,.0f} MB/s"
                   f" to one client; resident memory grew by {growth:.0f} MB over five of them.\n")
    out.append("### A fresh process, over HTTP, in milliseconds\n\nThe database was dropped from"
               " the operating system's cache before each start, as far as it lets go.\n")
    rows = [[f"{row['question']}, {row['bytes']:,} bytes", number(row["start_ms"]),
             number(row["first_ms"]), number(row["second_ms"])] for row in run.of("cold")]
    table(out, ["question", "until it listens", "first answer", "second"], rows)


def sizes(out, run):
    out.append("### Import, start, size\n")
    imports, lines = run.of("import"), run.lines
    rate = sorted(row["lines_per_second"] for row in imports)[len(imports) // 2]
    largest = max(imports, key=lambda row: row["lines"])
    out.append(f"- Import of a month's reports: {rate:,.0f} lines/s (median of 24); the largest"
               f" month, {largest['lines']:,} lines, at {largest['lines_per_second']:,.0f} lines/s,"
               f" and its statement {largest['statement_seconds']:.2f} s after the end of its"
               " import.")
    row = run.one("start")
    out.append(f"- Start: open in {row['open_ms']:.0f} ms; the largest month from its checkpoint in"
               f" {row['largest_month_ms']:.0f} ms; all 24 months in {row['all_months_ms']:,.0f} ms,"
               f" {mib(row['cached_bytes'])} MiB ({row['cached_bytes'] / lines:.0f} bytes a line).")
    disk = run.one("disk")
    out.append(f"- On disk: ledger {disk['ledger_bytes'] / lines:.1f} bytes a line, statements"
               f" {disk['statement_bytes'] / lines:.1f} bytes a line.\n")
    own = run.one("memory", engine="Tallybook")
    seconds = sum(row["seconds"] + row["statement_seconds"] for row in imports)
    whole = disk["ledger_bytes"] + disk["statement_bytes"]
    rows = [["Tallybook", f"{seconds:,.0f}", f"{whole / lines:.1f}",
             f"{mib(own['peak'])} ({mib(own['after'])} after)"]]
    for load in run.of("load"):
        memory = run.one("memory", engine=load["engine"])
        rows.append([f"{load['engine']} {load['version']}", f"{load['seconds']:,.0f}",
                     f"{load['bytes'] / lines:.1f}", mib(memory["peak"])])
    table(out, ["engine", "load, s", "bytes a line", "peak memory of the questions, MiB"], rows)
    out.append("Memory is what is resident: of Tallybook, the server's under the load above; of an"
               " engine in process, with Python and the rows that it fetched; of PostgreSQL, the"
               " most that all its processes held after a question, what they share counted"
               " once.\n")


def by_hand(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        text = file.read()
    if MARKER not in text:
        sys.exit(f"{path} has no line {MARKER}: put it before what was written by hand")
    return text.split(MARKER, 1)[1]


def write(folder, path):
    all_runs = runs(folder)
    if not all_runs:
        sys.exit(f"no run in {folder} has ended: cargo xtask bench query")
    kept = by_hand(path)
    out = ["# Results of the benchmark\n",
           "`cargo xtask bench query LINES`. The same usage of 24 months in every engine; each"
           " timed question differs from the last, and no answer is cached. Other programs may"
           " have run beside: compare ratios.\n"]
    growth(out, all_runs)
    for run in all_runs:
        made = run.one("run")
        out.append(f"## {run.lines:,} usage lines\n\n{made['day']}, {made['machine']}.\n")
        for part in (questions, over_http, sizes):
            part(out, run)
    unfinished = path + ".unfinished"
    with open(unfinished, "w") as file:
        file.write("\n".join(out) + "\n" + MARKER + kept)
    os.replace(unfinished, path)


def main():
    match sys.argv[1:]:
        case ["machine"]:
            print(json.dumps({"event": "run", "day": str(datetime.date.today()),
                              "machine": machine()}))
        case ["write", folder, path]:
            write(folder, path)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
