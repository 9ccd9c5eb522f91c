"""Processes to be killed: forks of one that has imported and loaded what the work takes, which costs seconds.

A script defines ``work`` and prepares what it needs, without a connection or a thread. Each job is a process of its
own, in which ``work`` is called with the arguments given; it says ``open`` when the moments begin that matter.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

__all__ = ["Job", "Prepared"]

_ENDED = "ended "


class Job:
    """A process that works."""

    def __init__(self, lines):
        self._lines = lines
        self.pid = int(next(lines))

    def read(self):
        """The next line that it prints."""
        return next(self._lines).rstrip("\n")

    def end(self, *, kill_after=None, lines=0):
        """Wait for its end, or kill it when it has printed so many lines, and so many seconds have passed.

        Returns:
            Its exit code (that of the signal is negative) and the lines that it printed.
        """
        printed = [self.read() for _ in range(lines)]
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it was done before
                os.kill(self.pid, signal.SIGKILL)
        while not (line := self.read()).startswith(_ENDED):
            printed += [line] if line else []
        return int(line.removeprefix(_ENDED)), printed


class Prepared:
    """Forks processes that are prepared; use it in a ``with`` statement."""

    def __init__(self, script, *arguments):
        environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, script, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self._lines = iter(self._process.stdout.readline, "")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._process.kill()
        self._process.communicate()

    def start(self, *arguments):
        """A new process, when it has said ``open``."""
        self._process.stdin.write(json.dumps([str(one) for one in arguments]) + "\n")
        self._process.stdin.flush()
        job = Job(self._lines)
        assert job.read() == "open"
        return job

    def run(self, *arguments, kill_after=None, lines=0):
        """Let a process work; killed as ``Job.end`` says, or to its end, which must be a good one.

        Returns:
            For how many seconds it worked, and the lines that it printed.
        """
        job, started = self.start(*arguments), time.monotonic()
        code, printed = job.end(kill_after=kill_after, lines=lines)
        assert kill_after is not None or code == 0, printed
        return time.monotonic() - started, printed


def _serve(script, arguments):
    """Fork for every line of standard input."""
    names = {"arguments": arguments}
    exec(compile(script, "<prepared>", "exec"), names)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                random.seed()
                print(os.getpid(), flush=True)
                names["work"](*json.loads(line))
                code = 0
            except BaseException:  # whatever it is, it is printed here and must not go on in this copy of the program
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(f"\n{_ENDED}{os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
