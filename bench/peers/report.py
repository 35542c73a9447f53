"""From the JSON lines of a run to RESULTS.md."""

import datetime
import json
import os
import platform
import sys

NAMES = {"q1": "a year's summary", "q1f": "the same for one cost center",
         "q2": "a month's premium requests of one user, by model",
         "q3": "all rows of the largest month, as JSON", "q4": "one day of one organization",
         "q5": "a year's summary of one repository"}


def machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) // 1024 // 1024
    return f"{os.cpu_count()} cores of {model}, {memory} GiB, Linux {platform.release()}"


def number(value):
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def main():
    rows = [json.loads(line) for path in sys.argv[1:] for line in open(path)
            if line.startswith("{")]
    of = lambda event: [row for row in rows if row["event"] == event]
    lines = sum(row["lines"] for row in of("import"))
    print("# Results of the benchmark\n")
    print(f"`cargo xtask bench query`, {datetime.date.today()}, {machine()}. {lines:,} usage lines,"
          " 24 months, the same in every engine; each timed question differs from the last, and no"
          " answer is cached. Other programs may have run beside: compare ratios.\n")
    print("## Questions, in milliseconds (median, p99 and first)\n")
    engines = [row["engine"] for row in of("load")]
    print("| question | Tallybook, in the engine | " + " | ".join(engines) + " | best / Tallybook |")
    print("|---|---|" + "---|" * (len(engines) + 1))
    for name, what in NAMES.items():
        times = {row["engine"]: row for row in of("time") if row["question"] == name}
        own = times.get("Tallybook")
        json_of = next((row for row in of("json") if row["question"] == name), None)
        cells = []
        for engine in engines:
            row = times[engine]
            cells.append(f"{number(row['median_ms'])} ({number(row['p99_ms'])};"
                         f" {number(row['cold_ms'])})")
        best = min(times[engine]["median_ms"] for engine in engines)
        shown = f"{number(own['median_ms'])} ({number(own['p99_ms'])})"
        if json_of:
            shown += (f"; with its JSON {number(json_of['median_ms'])}"
                      f" ({number(json_of['p99_ms'])})")
        # Like for like: the others write the JSON of q3, and no other.
        like = json_of if name == "q3" and json_of else own
        print(f"| {name}: {what} | {shown} | " + " | ".join(cells)
              + f" | {number(best / like['median_ms'])} x |")
    print("\nThe JSON of q3 and q4 is written by the code that the server sends it with, a chunk at"
          " a time, on the cores that it has there: the next day's rows are made while one's are"
          " written. The ratio of q3 is with JSON on all sides.\n")
    print("## Over HTTP, 64 connections\n")
    print("| what | requests/s | the same stack, a fixed body of that size | share |\n|---|---|---|---|")
    for row in of("http"):
        print(f"| {row['question']}, {row['bytes']:,} bytes | {row['requests_per_second']:,.0f} (p99"
              f" {row['p99']}) | {row['fixed_requests_per_second']:,.0f} | {row['share']:.2f} |")
    for row in of("stream"):
        growth = (row["resident_after"] - row["resident_before"]) / 1e6
        print(f"\nq3 streams {row['bytes']:,} bytes at {row['bytes_per_second'] / 1e6:,.0f} MB/s to"
              f" one client; resident memory grew by {growth:.0f} MB over five of them.\n")
    print("## Import, start, size\n")
    imports = of("import")
    rate = sorted(row["lines_per_second"] for row in imports)[len(imports) // 2]
    largest = max(imports, key=lambda row: row["lines"])
    print(f"- Import of a month's reports: {rate:,.0f} lines/s (median of 24); the largest month,"
          f" {largest['lines']:,} lines, at {largest['lines_per_second']:,.0f} lines/s, and its"
          f" statement {largest['statement_seconds']:.2f} s after the end of its import.")
    for row in of("start"):
        print(f"- Start: open in {row['open_ms']:.0f} ms; the largest month from its checkpoint in"
              f" {row['largest_month_ms']:.0f} ms; all 24 months in {row['all_months_ms']:,.0f} ms,"
              f" {row['cached_bytes'] / 2**20:,.0f} MiB ({row['cached_bytes'] / lines:.0f} bytes a"
              " line).")
    for row in of("disk"):
        print(f"- On disk: ledger {row['ledger_bytes'] / lines:.1f} bytes a line, statements"
              f" {row['statement_bytes'] / lines:.1f} bytes a line.")
    print("\n| engine | load, s | bytes a line |\n|---|---|---|")
    for row in of("load"):
        print(f"| {row['engine']} {row['version']} | {row['seconds']:,.0f} |"
              f" {row['bytes'] / lines:.1f} |")


if __name__ == "__main__":
    main()
