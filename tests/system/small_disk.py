"""A directory of a mint on a small file system of its own, which a test can
fill to the last byte."""

import os
import shutil
import subprocess


class NoDisk(Exception):
    """There is no mounting here: who runs this is not root."""


class SmallDisk:
    """The mint must not be running."""

    def __init__(self, mint, name, size="6m"):
        self.place = mint.dir / name
        self.ballast = self.place / "ballast"
        if os.geteuid() != 0:
            raise NoDisk("a file system of the test's own wants root")
        held = mint.base / f"held-{name}"
        self.place.rename(held)
        self.place.mkdir(mode=0o700)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs",
             self.place], capture_output=True, text=True)
        if done.returncode != 0:
            self.place.rmdir()
            held.rename(self.place)
            raise NoDisk(f"mounting is not permitted: {done.stderr.strip()}")
        shutil.copytree(held, self.place, dirs_exist_ok=True)
        # Another owner's file would not be this mint's.
        self.place.chmod(held.stat().st_mode & 0o7777)

    def fill(self, leave=0):
        """All but so many bytes."""
        self.ballast.write_bytes(b"")
        free = os.statvfs(self.place)
        size = free.f_bavail * free.f_frsize - leave
        # Unbuffered: what does not fit, since the mint writes meanwhile, is
        # not tried again in closing.
        with self.ballast.open("wb", buffering=0) as file:
            while size > 0:
                try:
                    size -= file.write(bytes(min(size, 4096)))
                except OSError:
                    break

    def free(self):
        self.ballast.unlink(missing_ok=True)

    def remove(self):
        subprocess.run(["umount", "-l", self.place], check=False)
