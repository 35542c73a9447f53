"""A detailed report of one large month: Tallybook's export beside DuckDB's COPY of the same grouping.

    python3 bench/peers/export.py target/release/tallybook-bench FOLDER [LINES]

The report that Tallybook imported is loaded into a DuckDB table with exact decimals; both write the
same rows in the same order, every field quoted, turn by turn, on the same two threads. Prints one
JSON object a line, and says at the end whether the files hold the same rows.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import time

import duckdb

KEYS = ["date", "product", "sku", "unit_type", "applied_cost_per_quantity", "username",
        "organization", "repository", "workflow_path", "cost_center_name"]
SUMS = ["quantity", "gross_amount", "discount_amount", "net_amount"]
TIMES = 5


def load(folder):
    path = os.path.join(folder, "peer.duckdb")
    is_new = not os.path.exists(path)
    connection = duckdb.connect(path, config={"threads": 2})
    if is_new:
        kinds = {name: "VARCHAR" for name in KEYS}
        kinds |= {name: "DECIMAL(38, 9)" for name in SUMS}
        kinds |= {"date": "DATE", "applied_cost_per_quantity": "DECIMAL(18, 12)"}
        report = os.path.join(folder, "usage.csv")
        connection.execute(
            f"CREATE TABLE usage AS SELECT * FROM read_csv('{report}', types = {kinds!r})")
        connection.execute("CHECKPOINT")
    return connection


def copy(connection, folder):
    out = os.path.join(folder, "peer.csv")
    keys = ", ".join(KEYS)
    order = "date, sku, organization, repository, username, workflow_path, cost_center_name"
    started = time.perf_counter()
    connection.execute(
        f"COPY (SELECT date, product, sku, sum(quantity) AS quantity, unit_type, "
        f"applied_cost_per_quantity, sum(gross_amount) AS gross_amount, "
        f"sum(discount_amount) AS discount_amount, sum(net_amount) AS net_amount, username, "
        f"organization, repository, workflow_path, cost_center_name FROM usage "
        f"GROUP BY {keys} ORDER BY {order}) TO '{out}' (FORMAT csv, HEADER, FORCE_QUOTE *)")
    return time.perf_counter() - started


def same_rows(folder):
    def rows(name, encoding):
        with open(os.path.join(folder, name), encoding=encoding, newline="") as file:
            for row in csv.DictReader(file):
                yield [row[name] for name in KEYS if name != "applied_cost_per_quantity"] + [
                    f"{float(row[name]):.6f}" for name in SUMS]
    ours, theirs = rows("out.csv", "utf-8-sig"), rows("peer.csv", "utf-8")
    count = 0
    for left, right in zip(ours, theirs, strict=True):
        assert left == right, (left, right)
        count += 1
    return count


def main():
    program, folder = sys.argv[1], sys.argv[2]
    lines = sys.argv[3] if len(sys.argv) > 3 else "4000000"
    if not os.path.exists(os.path.join(folder, "usage.csv")):
        generate = ["export-generate", "--directory", folder, "--lines", lines]
        subprocess.run([program, *generate], check=True)
    connection = load(folder)
    ours, theirs = [], []
    for _ in range(TIMES):
        run = [program, "export", "--directory", folder, "--times", "1"]
        line = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
        print(line)
        ours.append(json.loads(line)["seconds"])
        seconds = copy(connection, folder)
        print(json.dumps({"engine": "DuckDB", "event": "export", "seconds": round(seconds, 3)}))
        theirs.append(seconds)
    result = {"event": "compared", "tallybook": statistics.median(ours),
              "duckdb": round(statistics.median(theirs), 3), "same_rows": same_rows(folder)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
