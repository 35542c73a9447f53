"""The questions of the benchmark, asked of DuckDB, ClickHouse, PostgreSQL and SQLite.

Called by `cargo xtask bench query` with the folder of flat rows; prints one JSON object a line:
{"engine", "event": "load" | "time" | "memory", ...}. Each engine runs in a process of its own. Every engine gets the same integers, its natural sort
order, and an index on (repository, day) where it has indexes. Each timed question differs from the
last. ClickHouse runs in process (chdb); PostgreSQL is a private cluster in a temporary folder.
"""

import argparse
import datetime
import glob
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

COLUMNS = ["day", "sku", "price", "org", "repo", "usr", "model", "center"]
SUMS = "sum(quantity), sum(gross), sum(discount)"
FIRST_PREMIUM = 34
LARGEST = datetime.date(2025, 9, 1)


def month(index):
    return datetime.date(2024 + index // 12, index % 12 + 1, 1)


def quoted(day):
    return f"'{day.isoformat()}'"


def year(index):
    start = index % 13
    return f"day >= {{{month(start)}}} AND day < {{{month(start + 12)}}}"


def question(name, index):
    """SQL with days in braces: each engine has its own way to write them."""
    if name == "q1":
        return f"SELECT sku, price, {SUMS} FROM lines WHERE {year(index)} GROUP BY sku, price"
    if name == "q1f":
        return (f"SELECT sku, price, {SUMS} FROM lines WHERE {year(index)} AND center = {index % 20}"
                " GROUP BY sku, price")
    if name == "q2":
        start = index % 24
        return (f"SELECT sku, price, model, {SUMS} FROM lines WHERE day >= {{{month(start)}}} AND"
                f" day < {{{month(start + 1)}}} AND usr = {index % 100} AND sku >= {FIRST_PREMIUM}"
                " GROUP BY sku, price, model")
    if name == "q3":
        return (f"SELECT day, sku, price, org, repo, {SUMS} FROM lines WHERE day >= {{{LARGEST}}}"
                f" AND day < {{{month(21)}}} GROUP BY day, sku, price, org, repo ORDER BY day, sku")
    if name == "q4":
        day = LARGEST + datetime.timedelta(days=index % 30)
        return (f"SELECT sku, price, org, repo, {SUMS} FROM lines WHERE day = {{{day}}} AND"
                f" org = {index % 10} GROUP BY sku, price, org, repo ORDER BY sku, repo")
    if name == "q5":
        repo = index % 2000
        return (f"SELECT sku, price, {SUMS} FROM lines WHERE {year(index)} AND repo = {repo}"
                f" AND org = {repo % 10} GROUP BY sku, price")
    raise ValueError(name)


def report(**what):
    print(json.dumps(what), flush=True)


def size_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)


def status(key, pid="self"):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))


class InProcess:
    """An engine whose memory is this process's, Python and the fetched rows included."""

    def forget_peak(self):
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")

    def peak(self):
        return status("VmHWM")


class DuckDB(InProcess):
    name = "DuckDB"

    def __init__(self, folder):
        import duckdb
        self.path = os.path.join(folder, "duck.db")
        self.connection = duckdb.connect(self.path)
        self.version = duckdb.__version__
        self.connection.execute("SET threads = 2")

    def load(self, files):
        columns = ("{'day':'DATE','sku':'USMALLINT','price':'BIGINT','org':'SMALLINT','repo':"
                   "'SMALLINT','usr':'SMALLINT','model':'SMALLINT','center':'SMALLINT',"
                   "'quantity':'BIGINT','gross':'BIGINT','discount':'BIGINT'}")
        self.connection.execute(f"CREATE TABLE lines AS SELECT * FROM read_csv({files!r}, header ="
                                f" false, columns = {columns})")
        self.connection.execute("CHECKPOINT")

    def ask(self, sql):
        return len(self.connection.execute(sql).fetchall())

    def ask_json(self, sql):
        out = os.path.join(os.path.dirname(self.path), "out.json")
        self.connection.execute(f"COPY ({sql}) TO '{out}' (FORMAT json)")
        return os.path.getsize(out)

    def day(self, day):
        return f"DATE '{day}'"

    def size(self):
        return size_of(self.path)


class ClickHouse(InProcess):
    name = "ClickHouse (chdb)"

    def __init__(self, folder):
        import chdb
        from chdb import session
        self.folder = os.path.join(folder, "chdb")
        self.session = session.Session(self.folder)
        self.version = getattr(chdb, "engine_version", chdb.__version__)

    def load(self, files):
        self.session.query("CREATE DATABASE b")
        self.session.query(
            "CREATE TABLE b.lines (day Date, sku UInt16, price Int64, org Int16, repo Int16, usr"
            " Int16, model Int16, center Int16, quantity Int64, gross Int64, discount Int64)"
            " ENGINE = MergeTree ORDER BY (day, sku, org, repo)")
        for file in files:
            self.session.query(f"INSERT INTO b.lines SELECT * FROM file('{file}', 'CSV', 'day Date,"
                               " sku UInt16, price Int64, org Int16, repo Int16, usr Int16, model"
                               " Int16, center Int16, quantity Int64, gross Int64, discount"
                               " Int64')")
        self.session.query("OPTIMIZE TABLE b.lines FINAL")

    def ask(self, sql):
        return len(str(self.session.query(sql.replace("FROM lines", "FROM b.lines"), "CSV")))

    def ask_json(self, sql):
        sql = sql.replace("FROM lines", "FROM b.lines")
        return len(self.session.query(sql, "JSONEachRow").bytes())

    def day(self, day):
        return f"toDate('{day}')"

    def size(self):
        return size_of(self.folder)


class SQLite(InProcess):
    name = "SQLite"

    def __init__(self, folder):
        self.path = os.path.join(folder, "sqlite.db")
        self.connection = sqlite3.connect(self.path)
        self.version = sqlite3.sqlite_version

    def load(self, files):
        run = self.connection.execute
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
        run("PRAGMA cache_size = -2000000")
        run("CREATE TABLE lines (day TEXT, sku INT, price INT, org INT, repo INT, usr INT, model INT,"
            " center INT, quantity INT, gross INT, discount INT)")
        for file in files:
            with open(file) as rows:
                split = (line.rstrip("\n").split(",") for line in rows)
                self.connection.executemany(
                    "INSERT INTO lines VALUES (?,?,?,?,?,?,?,?,?,?,?)", split)
        run("CREATE INDEX by_day ON lines (day, sku, org, repo)")
        run("CREATE INDEX by_repo ON lines (repo, day)")
        run("ANALYZE")
        self.connection.commit()

    def ask(self, sql):
        return len(self.connection.execute(sql).fetchall())

    def ask_json(self, sql):
        inner = ("SELECT json_object('day', day, 'sku', sku, 'price', price, 'org', org, 'repo',"
                 f" repo, 'quantity', q, 'gross', g, 'discount', d) FROM ({sql})")
        inner = inner.replace(SUMS, "sum(quantity) q, sum(gross) g, sum(discount) d")
        return sum(len(row[0]) + 1 for row in self.connection.execute(inner))

    def day(self, day):
        return f"'{day}'"

    def size(self):
        return size_of(self.path)


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise RuntimeError("PostgreSQL is not installed")
        self.bin = found[-1]
        self.folder = os.path.join(folder, "pg")
        # PostgreSQL refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        os.makedirs(self.folder)
        if self.user:
            shutil.chown(self.folder, "postgres")
            os.chmod(folder, 0o755)
        self.run([f"{self.bin}/initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U", "bench"])
        options = (f"-k {self.folder} -c listen_addresses= -c shared_buffers=4GB -c work_mem=512MB"
                   " -c max_wal_size=8GB -c synchronous_commit=off -c max_parallel_workers=2")
        self.run([f"{self.bin}/pg_ctl", "-D", f"{self.folder}/data", "-w", "-o", options, "-l",
                  f"{self.folder}/log", "start"])
        import psycopg
        self.connection = psycopg.connect(host=self.folder, user="bench", dbname="postgres",
                                          autocommit=True)
        self.version = self.connection.info.parameter_status("server_version")

    def run(self, command):
        subprocess.run(self.user + command, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd="/")

    def load(self, files):
        run = self.connection.execute
        run("CREATE UNLOGGED TABLE lines (day date, sku smallint, price bigint, org smallint, repo"
            " smallint, usr smallint, model smallint, center smallint, quantity bigint, gross"
            " bigint, discount bigint)")
        for file in files:
            with self.connection.cursor().copy("COPY lines FROM STDIN (FORMAT csv)") as copy:
                with open(file, "rb") as rows:
                    while block := rows.read(1 << 20):
                        copy.write(block)
        run("CREATE INDEX ON lines (day, sku, org, repo)")
        run("CREATE INDEX ON lines (repo, day)")
        run("VACUUM ANALYZE lines")

    def ask(self, sql):
        return len(self.connection.execute(sql).fetchall())

    def ask_json(self, sql):
        total = 0
        query = f"COPY (SELECT row_to_json(x) FROM ({sql}) x) TO STDOUT"
        with self.connection.cursor().copy(query) as copy:
            for block in copy:
                total += len(block)
        return total

    def day(self, day):
        return f"DATE '{day}'"

    def size(self):
        query = "SELECT pg_total_relation_size('lines')"
        return self.connection.execute(query).fetchone()[0]

    def forget_peak(self):
        self.most = 0

    def sample(self):
        """Shared memory counts once; the peak is the most that was seen after a question."""
        with open(f"{self.folder}/data/postmaster.pid") as file:
            server = file.readline().strip()
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    parent = stat.read().rsplit(")", 1)[1].split()[1]
                if server in (pid, parent):
                    with open(f"/proc/{pid}/smaps_rollup") as rollup:
                        total += next(int(line.split()[1]) * 1024 for line in rollup
                                      if line.startswith("Pss:"))
            except (FileNotFoundError, ProcessLookupError):
                continue
        self.most = max(self.most, total)

    def peak(self):
        return self.most

    def close(self):
        self.connection.close()
        self.run([f"{self.bin}/pg_ctl", "-D", f"{self.folder}/data", "-m", "fast", "stop"])


def sql_for(engine, name, index):
    sql = question(name, index)
    while "{" in sql:
        start = sql.index("{")
        end = sql.index("}")
        sql = sql[:start] + engine.day(sql[start + 1:end]) + sql[end + 1:]
    return sql


def measure(engine, name, times):
    took = []
    size = 0
    for index in range(times + 1):
        sql = sql_for(engine, name, index)
        started = time.perf_counter()
        size = engine.ask_json(sql) if name == "q3" else engine.ask(sql)
        took.append((time.perf_counter() - started) * 1000)
    warm = sorted(took[1:])
    report(engine=engine.name, event="time", question=name, cold_ms=took[0],
           median_ms=statistics.median(warm), p99_ms=warm[min(len(warm) - 1, len(warm) * 99 // 100)],
           bytes=size)


KINDS = {"duckdb": DuckDB, "clickhouse": ClickHouse, "postgresql": PostgreSQL, "sqlite": SQLite}


def run_engine(kind, files, times):
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as folder:
        engine = kind(folder)
        try:
            started = time.perf_counter()
            engine.load(files)
            report(engine=engine.name, event="load", version=str(engine.version),
                   seconds=time.perf_counter() - started, bytes=engine.size())
            engine.forget_peak()
            for name in ["q1", "q1f", "q2", "q3", "q4", "q5"]:
                slow = name == "q3" or (kind in (SQLite, PostgreSQL) and name in ("q1", "q1f"))
                measure(engine, name, 3 if slow else times)
                if hasattr(engine, "sample"):
                    engine.sample()
            report(engine=engine.name, event="memory", peak=engine.peak())
        finally:
            if hasattr(engine, "close"):
                engine.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("rows", help="the folder with rows_*.csv")
    arguments.add_argument("--times", type=int, default=15)
    arguments.add_argument("--engines", default=",".join(KINDS), help="names with commas between")
    arguments = arguments.parse_args()
    files = sorted(glob.glob(os.path.join(os.path.abspath(arguments.rows), "rows_*.csv")))
    if not files:
        sys.exit(f"no rows_*.csv in {arguments.rows}")
    names = [name for name in arguments.engines.split(",") if name]
    if unknown := set(names) - set(KINDS):
        sys.exit(f"no such engine: {', '.join(sorted(unknown))} (known: {', '.join(KINDS)})")
    if len(names) == 1:
        return run_engine(KINDS[names[0]], files, arguments.times)
    for name in names:
        subprocess.run([sys.executable, __file__, arguments.rows, "--times", str(arguments.times),
                        "--engines", name], check=True)


if __name__ == "__main__":
    main()
