import os
import struct
import sys
import time

import daemon
import daemon.pidfile

fifo, size, path, how = (sys.argv[1:] + [""])[:4]
data = bytearray(b"\1") * int(size)
pid_file = daemon.pidfile.TimeoutPIDLockFile(path) if path else None

with daemon.DaemonContext(working_directory="/", umask=0o022, pidfile=pid_file):
    began = time.time_ns()
    if how == "late":
        time.sleep(0.5)
    elif how == "exits":
        print("it has no disk", file=sys.stderr)
        sys.exit(3)
    elif how == "crashes":
        os.abort()
    with open(fifo, "wb", buffering=0) as fifo:
        fifo.write(struct.pack("=QQQ", began, os.getpid(), "TERM" in os.environ))
    time.sleep(600)
