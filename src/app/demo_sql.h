/* The sample database of the walk-through, and what happens to it. MariaDB's dialect. */
#ifndef SLUICE_APP_DEMO_SQL_H
#define SLUICE_APP_DEMO_SQL_H

static const char demo_sql_setup[] =
    "CREATE USER sluice@'127.0.0.1' IDENTIFIED BY 'demo';\n"
    "GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO sluice@'127.0.0.1';\n"
    "CREATE DATABASE sampledb;\n"
    "USE sampledb;\n"
    "CREATE TABLE product (\n"
    "  id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, category VARCHAR(20), price DECIMAL(10,2) NOT NULL,\n"
    "  quantity_available INT NOT NULL, updated DATETIME NOT NULL);\n"
    "CREATE TABLE store (\n"
    "  id INT PRIMARY KEY, city VARCHAR(40) NOT NULL, state CHAR(2) NOT NULL, square_feet INT, opened DATE);\n"
    "CREATE TABLE productorder (\n"
    "  id BIGINT NOT NULL, productid INT NOT NULL, storeid INT NOT NULL, qty INT NOT NULL,\n"
    "  soldprice DECIMAL(10,2) NOT NULL, create_dt DATE NOT NULL);\n"
    "INSERT INTO product VALUES\n"
    "  (1001,'Trail lantern','outdoor',24.90,180,'2026-11-01 08:00:00'),\n"
    "  (1002,'Enamel mug','kitchen',9.50,640,'2026-11-01 08:00:00'),\n"
    "  (1003,'Wool blanket','home',59.00,75,'2026-11-01 08:00:00'),\n"
    "  (1004,'Folding saw','tools',31.25,120,'2026-11-01 08:00:00'),\n"
    "  (1005,'Camp stove','outdoor',84.00,60,'2026-11-01 08:00:00'),\n"
    "  (1006,'Cast iron pan','kitchen',42.75,210,'2026-11-01 08:00:00'),\n"
    "  (1007,'Oak stool','home',68.40,45,'2026-11-01 08:00:00'),\n"
    "  (1008,'Claw hammer','tools',19.99,300,'2026-11-01 08:00:00'),\n"
    "  (1009,'Rain cover','outdoor',17.30,260,'2026-11-01 08:00:00'),\n"
    "  (1010,'Bread knife','kitchen',22.60,150,'2026-11-01 08:00:00'),\n"
    "  (1011,'Desk lamp','home',36.80,95,'2026-11-01 08:00:00'),\n"
    "  (1012,'Socket set','tools',74.50,80,'2026-11-01 08:00:00'),\n"
    "  (1013,'Water filter','outdoor',39.95,140,'2026-11-01 08:00:00'),\n"
    "  (1014,'Coffee grinder','kitchen',48.20,110,'2026-11-01 08:00:00'),\n"
    "  (1015,'Wall clock','home',28.00,130,'2026-11-01 08:00:00'),\n"
    "  (1016,'Spirit level','tools',14.75,220,'2026-11-01 08:00:00'),\n"
    "  (1017,'Sleeping mat','outdoor',52.10,90,'2026-11-01 08:00:00'),\n"
    "  (1018,'Mixing bowl','kitchen',12.40,400,'2026-11-01 08:00:00'),\n"
    "  (1019,'Door mat','home',16.90,310,'2026-11-01 08:00:00'),\n"
    "  (1020,'Wood chisel','tools',26.35,170,'2026-11-01 08:00:00'),\n"
    "  (1021,'Head torch','outdoor',33.00,240,'2026-11-01 08:00:00'),\n"
    "  (1022,'Kitchen scale','kitchen',29.90,105,'2026-11-01 08:00:00'),\n"
    "  (1023,'Linen curtain','home',44.60,70,'2026-11-01 08:00:00'),\n"
    "  (1024,'Tape measure','tools',8.80,520,'2026-11-01 08:00:00'),\n"
    "  (1025,'Pocket knife','outdoor',27.45,190,'2026-11-01 08:00:00');\n"
    "INSERT INTO store VALUES\n"
    "  (1,'Reno','NV',21500,'2011-04-02'), (2,'Boise','ID',18200,'2013-09-14'), (3,'Tucson','AZ',24800,'2009-06-20'),\n"
    "  (4,'Eugene','OR',16900,'2016-03-05'), (5,'Fresno','CA',27300,'2008-10-11'), "
    "(6,'Spokane','WA',19700,'2014-05-24'),\n"
    "  (7,'Provo','UT',15800,'2018-08-18'), (8,'Helena','MT',14200,'2020-02-29');\n"
    "INSERT INTO productorder\n"
    "  SELECT seq, 1001 + (seq * 7) % 25, 1 + (seq * 3) % 8, 1 + seq % 4,\n"
    "         ROUND(8.80 + (seq * 37 % 7600) / 100, 2), DATE_ADD('2026-11-01', INTERVAL seq % 5 DAY)\n"
    "  FROM seq_1_to_8400;\n";

/* Shown to the user line by line. */
static const char demo_sql_changes[] =
    "UPDATE product SET price = 21.50, updated = '2026-11-06 09:30:00' WHERE id = 1001;\n"
    "DELETE FROM product WHERE id = 1002;\n"
    "INSERT INTO store VALUES (9, 'Casper', 'WY', 13400, '2026-11-06');\n"
    "INSERT INTO productorder SELECT 8400 + seq, 1003 + seq % 20, 9, 1 + seq % 3, 24.90, '2026-11-06' FROM "
    "seq_1_to_120;\n";

#endif
