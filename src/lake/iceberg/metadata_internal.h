/* What metadata.c and metadata_update.c share. */
#ifndef SLUICE_LAKE_ICEBERG_METADATA_INTERNAL_H
#define SLUICE_LAKE_ICEBERG_METADATA_INTERNAL_H

#include "lake/iceberg/metadata.h"

/* Makes the view of the document anew. Kind DATA when the document is not table metadata. */
bool iceberg_metadata_view(struct iceberg_metadata *metadata, struct error *err);

#endif
