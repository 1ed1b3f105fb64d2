"""A small source for crash tests: few rows, but every kind of table whose bookkeeping differs, and deterministic changes."""

from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

DEFINITIONS = """
    create table product (id int primary key, name varchar(40), price decimal(10,2));
    create table ticket (id int primary key, region varchar(20), title varchar(40));
    create table event (n int, what varchar(20));
    create table orders (n int, create_dt date);
    create table emptied (id int primary key, name varchar(20));
    create table evolving (id int primary key, a int);
    insert into product values (1, 'one', 1.00), (2, 'two', 2.00), (3, 'three', 3.00), (4, 'four', 4.00);
    insert into ticket values (1, 'north', 'a'), (2, 'south', 'b'), (3, null, 'c'), (4, 'a/b', 'd');
    insert into event values (1, 'start'), (1, 'start'), (2, null);
    insert into orders values (1, '2026-01-01'), (2, '2026-01-02'), (2, '2026-01-02');
    insert into emptied values (1, 'old'), (2, 'old');
    insert into evolving values (1, 10), (2, 20);
"""

# Each stage is what the source does before the next capture and load.
STAGES = [
    """
    insert into product values (5, 'five', 5.00); update product set price = price + 1 where id < 3; delete from product where id = 4;
    begin; insert into event values (3, 'twice'), (3, 'twice'); update ticket set region = 'south' where id = 1; update product set id = 30 where id = 3; commit;
    insert into orders values (3, '2026-01-02'), (4, '2026-01-03');
    truncate table emptied; insert into emptied values (9, 'new');
    """,
    """
    alter table evolving add column b varchar(10) default 'new'; insert into evolving values (3, 30, 'three'); update evolving set a = 11 where id = 1;
    alter table evolving rename column a to renamed;  insert into evolving (id, renamed) values (4, 40);
    insert into event values (4, 'last'); delete from ticket where region is null; insert into ticket values (6, 'east', 'f'), (7, null, 'g');
    begin; insert into event values (99, 'never'); insert into product values (99, 'never', 0); rollback;
    create table later (id int primary key, at datetime); insert into later values (1, '2026-01-01 00:00:00');
    truncate table emptied;
    """,
    "insert into event values (5, 'end'), (5, 'end'); update product set name = concat(name, '!'); insert into orders select * from orders where n = 4",
]

KEYS = {"product": "id", "ticket": "id", "event": None, "orders": None, "emptied": "id", "evolving": "id", "later": "id"}
PARTITIONS = {"ticket": ["region"], "orders": ["create_dt"]}


def create(server, database):
    server.sql(f"drop database if exists {database}; create database {database} character set utf8mb4")
    server.sql(DEFINITIONS, database)
    return Workload(server, database, only=())


def driver(server, database, **config):
    tables = [{"schema": database, "table": t, "active": True, "primary_key": [k] if k else [], "partition_key": PARTITIONS.get(t, [])}
              for t, k in KEYS.items()]
    # Files of a few rows, so that cutting them is part of every run.
    raw = {"cdc_max_batch_interval": "100ms", "max_file_size": "1KB", **config.pop("raw", {})}
    return Sluice(source=server.source_config(database, max_full_load_sub_tasks=2), raw=raw, tables=tables, threads=1, memory_limit="64MB", **config)
