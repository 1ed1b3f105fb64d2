"""DuckDB: one Parquet file, which a change rewrites."""

import os

FILE = "table.parquet"


def start(job):
    job.connect()


def copy(job, select):
    os.makedirs(job.table, exist_ok=True)
    job.connect().execute(f"copy ({select}) to '{job.table}/new' (format parquet, compression snappy)")
    os.replace(f"{job.table}/new", f"{job.table}/{FILE}")


def initial_csv(job):
    copy(job, job.full_load())


def initial_parquet(job):
    copy(job, f"select * from read_parquet('{job.raw}/LOAD*.parquet')")


def changes(job):
    copy(job, f"""with last as ({job.last_changes()})
        select * from read_parquet('{job.table}/{FILE}') as old anti join last using (id)
        union all select * from last where Op <> 'D'""")


def scan(job):
    from peer import show_totals
    show_totals(job.connect(), f"read_parquet('{job.table}/{FILE}')")
