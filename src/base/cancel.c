#include "base/cancel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"

static atomic_bool requested;
static int wake_pipe[2] = {-1, -1}; /* readable for good once a stop was asked for */

static void on_signal(int number) {
    if (atomic_load(&requested))
        _exit(128 + number);
    cancel_request();
}

void cancel_install(void) {
    if (wake_pipe[0] < 0 && pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        wake_pipe[0] = wake_pipe[1] = -1;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void cancel_request(void) {
    atomic_store(&requested, true);
    if (wake_pipe[1] >= 0) {
        ssize_t ignored = write(wake_pipe[1], "x", 1);
        (void)ignored;
    }
}

bool cancel_requested(void) { return atomic_load_explicit(&requested, memory_order_relaxed); }

bool cancel_check(struct error *err) {
    return cancel_requested() ? error_set(err, ERROR_CANCELLED, "stopped on request") : true;
}

bool cancel_sleep_ms(long duration_ms) {
    int64_t until = clock_monotonic_ms() + duration_ms;
    for (int64_t left = duration_ms; left > 0 && !cancel_requested(); left = until - clock_monotonic_ms()) {
        struct pollfd wait = {.fd = wake_pipe[0], .events = POLLIN};
        poll(&wait, 1, (int)(left > 1000 ? 1000 : left));
    }
    return !cancel_requested();
}
