/* Adoption: a full load that is Parquet already becomes data files of the table as it is. The bytes are copied, as cheaply as
 * the stores can (store_copy); footers are read, and nothing is decoded.
 *
 * The files have no field ids. As the specification has it for such files, the table's property schema.name-mapping.default
 * then says which of their columns is which field: each name stands for one field, for all adopted files that any snapshot
 * has. So a file that has a name for another field than the mapping (a column that took the name of one that was dropped) is
 * not adopted. A rename or a new column afterwards leaves the mapping as it is: it is about what is written in the files.
 *
 * What is not exactly as sluice would have written it (iceberg_footers.c) is not adopted either; then the full load is written
 * anew like any other. Changes that are due with the full load go on top in the same commit: they are written as if to a
 * table that has the adopted files, which nobody else sees yet.
 *
 * Adopted files are named <commit>-<n>-adopted.parquet, by which readers of the table in sluice know, without a look at their
 * footers, that they go by the mapping; and maintenance, that they may be as old as the raw file with which they share their
 * bytes. Removing either leaves the other. */
#ifndef SLUICE_LAKE_ICEBERG_ICEBERG_ADOPT_H
#define SLUICE_LAKE_ICEBERG_ICEBERG_ADOPT_H

#include "lake/iceberg/iceberg.h"

/* Takes load->given->full_load_files into load->data. *adopted false: not these files, and nothing has happened. The files
 * that the table has were read before. */
bool iceberg_adopt(struct iceberg_load *load, bool *adopted, struct error *err);
/* The table as it will be with the files in load->data alone: what the changes of the load are written on. Valid as long as
 * the load's arena; its name_mapping and files are to be released with iceberg_adopted_table_deinit. */
void iceberg_adopted_table(const struct iceberg_load *load, struct iceberg_table *out);
void iceberg_adopted_table_deinit(struct iceberg_table *table);

/* --- iceberg_footers.c */

struct iceberg_footer {
    const char *path;           /* for the engine */
    const char *name;           /* for people */
    const char *const *columns; /* what the file calls each of the fields; NULL: it does not have it */
    struct iceberg_file file;   /* out: rows, bytes and metrics */
};
/* *why: why the files cannot be data files of a table with these fields, in the arena; NULL: they can. Kind DATA when one is
 * no Parquet. */
bool iceberg_read_footers(struct iceberg_load *load, const struct iceberg_metric_field *fields, size_t field_count,
                          struct iceberg_footer *footers, size_t count, const char **why, struct error *err);

#endif
