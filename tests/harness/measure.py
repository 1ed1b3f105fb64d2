"""What a process costs: wall time, CPU time, peak memory."""

import os
import select
import subprocess
import time
from dataclasses import dataclass

from .servers import die_with_parent

POLL_S = 0.01


@dataclass
class Cost:
    exit_code: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    error: str


def peak_of(pid):
    """The kernel's own high-water mark of resident memory; 0 when the process is gone.

    ru_maxrss will not do: it begins with what the forking test process had.
    """
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def measure(command, stdout=subprocess.DEVNULL, env=None, timeout=900, cwd=None):
    """Runs a command to its end. The peak is read every 10 ms; the mark itself never falls."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                               env=env, cwd=cwd, preexec_fn=die_with_parent)
    os.set_blocking(process.stderr.fileno(), False)
    ended = os.pidfd_open(process.pid)
    error = b""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        error += process.stderr.read() or b""
        if pid:
            break
        peak = max(peak, peak_of(process.pid))
        if time.monotonic() - started > timeout:
            process.kill()
        select.select([ended], [], [], POLL_S)
    wall_s = time.monotonic() - started
    os.close(ended)
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)  # subprocess must not wait for it again
    return Cost(process.returncode, wall_s, usage.ru_utime + usage.ru_stime, peak, error.decode(errors="replace"))


def measure_sluice(sluice, *args, **options):
    cost = measure(sluice.command(*args), **options)
    assert cost.exit_code == 0, f"sluice {' '.join(map(str, args))}: exit {cost.exit_code}\n{cost.error[-3000:]}"
    return cost
