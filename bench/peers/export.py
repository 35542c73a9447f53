"""A detailed report of one large month: Tallybook's export beside DuckDB's COPY of the same grouping.

    python3 bench/peers/export.py target/release/tallybook-bench FOLDER [LINES]

The report that Tallybook imported is loaded into a DuckDB table with exact decimals; both write the
same rows in the same order, every field quoted, turn by turn, on the same two threads. Prints one
JSON object a line, and says at the end whether the files hold the same rows.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import duckdb

KEYS = ["date", "product", "sku", "unit_type", "applied_cost_per_quantity", "username",
        "organization", "repository", "workflow_path", "cost_center_name"]
TEXTS = [key for key in KEYS if key != "applied_cost_per_quantity"]
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


def same_rows(connection, folder):
    """Counts the rows when both files hold the same ones, to the last digit, however often each."""
    for name, file in [("ours", "out.csv"), ("theirs", "peer.csv")]:
        columns = ", ".join(f"{key}::DATE AS {key}" if key == "date" else key for key in TEXTS)
        sums = ", ".join(f"{key}::DECIMAL(38, 9) AS {key}" for key in SUMS)
        path = os.path.join(folder, file)
        # A price is compared as a number: the peer writes zeros after its last digit.
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {columns}, {sums}, "
            f"applied_cost_per_quantity::DECIMAL(18, 12) AS price, count(*) AS times "
            f"FROM read_csv('{path}', header = true, all_varchar = true) GROUP BY ALL")
    differ = connection.execute(
        "SELECT count(*) FROM ((FROM ours EXCEPT FROM theirs) UNION ALL "
        "(FROM theirs EXCEPT FROM ours))").fetchone()[0]
    if differ:
        example = connection.execute("(FROM ours EXCEPT FROM theirs) LIMIT 3").fetchall()
        sys.exit(f"{differ} rows are in one file alone, such as {example}")
    return connection.execute("SELECT sum(times)::BIGINT FROM ours").fetchone()[0]


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
              "duckdb": round(statistics.median(theirs), 3), "same_rows": same_rows(connection, folder)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
