/* Folders of this machine, made and synced so that they outlive a power cut. */
#ifndef SLUICE_BASE_FOLDER_H
#define SLUICE_BASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Makes a folder and what is missing above it. What this process made is durable when it returns true, also when another
 * thread is just making it. */
bool folder_make(const char *path, struct error *err);

/* Makes durable what was created, renamed or removed directly in a folder. */
bool folder_sync(const char *path, struct error *err);

/* The length of the part of a path before its last '/': of the folder that a file is in. 0 when there is none. */
size_t folder_length_of(const char *path);

#endif
