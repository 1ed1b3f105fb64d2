/* Preflight of PostgreSQL, and what a capture warns of at its start. */
#ifndef SLUICE_SOURCE_POSTGRES_CHECK_H
#define SLUICE_SOURCE_POSTGRES_CHECK_H

#include "source/postgres_source.h"

bool postgres_check(struct source *base, struct check_report *report, struct error *err);
bool postgres_warn(struct source *base, struct error *err);

#endif
