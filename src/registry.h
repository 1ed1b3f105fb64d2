/* Every backend, in five short lists that end with NULL: the one place to change when a store, a state, a source, a catalog
 * or a table format is added.
 *
 * The interfaces look up here (store_open, state_open and catalog_open by the location's scheme, source_open by the
 * engine's name, lake_format_find by the format's name) although they lie below: therefore this header only names types
 * and includes nothing, and registry.c is the one file that knows all of them. */
#ifndef SLUICE_REGISTRY_H
#define SLUICE_REGISTRY_H

struct store_ops;
struct state_ops;
struct source_ops;
struct catalog_ops;
struct lake_format_ops;

extern const struct store_ops *const registry_stores[];
extern const struct state_ops *const registry_states[];
extern const struct source_ops *const registry_sources[];
extern const struct catalog_ops *const registry_catalogs[];
extern const struct lake_format_ops *const registry_lake_formats[];

#endif
