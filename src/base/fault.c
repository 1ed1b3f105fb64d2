#include "base/fault.h"

#ifdef SLUICE_FAULT_POINTS

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"

enum { FAULT_SEEN_MAX = 128 };

static struct {
    pthread_mutex_t mutex; /* guards the rest */
    const char *seen[FAULT_SEEN_MAX];
    size_t seen_count;
    unsigned long passed; /* how often the chosen point was passed */
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note_point(const char *point) {
    const char *file = getenv("SLUICE_FAULT_LOG");
    if (file == NULL || faults.seen_count == FAULT_SEEN_MAX)
        return;
    for (size_t i = 0; i < faults.seen_count; i++)
        if (strcmp(faults.seen[i], point) == 0)
            return;
    faults.seen[faults.seen_count++] = point;
    FILE *out = fopen(file, "a");
    if (out != NULL) {
        fprintf(out, "%s\n", point);
        fclose(out);
    }
}

bool fault_hit(const char *point, struct error *err) {
    bool fail = false;
    pthread_mutex_lock(&faults.mutex);
    note_point(point);
    const char *chosen = getenv("SLUICE_FAULT");
    size_t len = strlen(point);
    if (chosen != NULL && strncmp(chosen, point, len) == 0 && (chosen[len] == '\0' || chosen[len] == ':')) {
        char *rest = NULL;
        unsigned long at = chosen[len] == ':' ? strtoul(chosen + len + 1, &rest, 10) : 1;
        if (++faults.passed == at) {
            fail = rest != NULL && strcmp(rest, ":error") == 0;
            if (rest != NULL && strcmp(rest, ":stop") == 0)
                cancel_request();
            else if (!fail)
                kill(getpid(), SIGKILL);
        }
    }
    pthread_mutex_unlock(&faults.mutex);
    return fail ? error_set(err, ERROR_RETRY, "fault injected at %s", point) : true;
}

#else

typedef int fault_points_are_not_built; /* ISO C wants something in every file */

#endif
