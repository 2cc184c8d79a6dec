"""First process of a capsule: private /run, loopback up, orphans reaped, gone when the owner's pipe closes."""
import os
import select
import signal
import subprocess

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
# A private tmpfs: the default OVS run directory is then this capsule's own, and every file goes with it.
subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", "/run"])
for path in ("/run/openvswitch", "/run/netns", "/run/lab", "/run/lock"):
    os.makedirs(path)
subprocess.check_call(["ip", "link", "set", "lo", "up"])
print("ready", flush=True)
while True:
    readable, _, _ = select.select([0], [], [], 0.5)
    if readable and not os.read(0, 4096):
        break
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
