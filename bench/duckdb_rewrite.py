#!/usr/bin/env python3
"""The peer of the loads: what a script with DuckDB would do. Reads CSV, or merges changes by rewriting the whole table.

usage: duckdb_rewrite.py initial CSV_FOLDER OUT_FILE MEMORY THREADS
       duckdb_rewrite.py merge TABLE_FILE CHANGES_CSV OUT_FILE MEMORY THREADS
"""

import sys

import duckdb

# The order and types of bench/run.py's table.
COLUMNS = {"id": "BIGINT", "customer": "INTEGER", "status": "VARCHAR", "amount": "DECIMAL(12,2)", "created": "TIMESTAMP",
           "note": "VARCHAR", "ratio": "DOUBLE"}


def read(files, op):
    columns = {**({"Op": "VARCHAR"} if op else {}), **COLUMNS}
    types = ", ".join(f"'{n}': '{t}'" for n, t in columns.items())
    return f"read_csv('{files}', header = true, nullstr = 'NULL', auto_detect = false, delim = ',', quote = '\"', columns = {{{types}}})"


def main():
    mode, *paths, memory, threads = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute(f"set memory_limit = '{memory}'; set threads = {threads}; set preserve_insertion_order = true")
    if mode == "initial":
        source, out = paths
        connection.execute(f"copy (select 'I' as Op, * from {read(source + '/LOAD*.csv', False)}) to '{out}' (format parquet)")
        return
    table, changes, out = paths
    connection.execute(f"""
        copy (
            with numbered as (select *, row_number() over () as n from {read(changes, True)}),
                 last as (select * exclude n from numbered qualify row_number() over (partition by id order by n desc) = 1)
            select * from read_parquet('{table}') as old anti join last using (id)
            union all select * from last where Op <> 'D'
        ) to '{out}' (format parquet)""")


if __name__ == "__main__":
    main()
