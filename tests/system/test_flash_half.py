"""A disk that ends in the midst of a file: whatever `mintmark flash` makes,
nothing half of it is left, and what was there before is kept."""

import resource
import signal

import pytest

from mint import VECTORS, mintmark

DATA, AGAIN = 65, 75
ESP = VECTORS / "esp"
KEY = ESP / "keys/TEST-ONLY-device-p256.key.pem"
MAKERS = {
    "partitions": ["partitions", ESP / "partition_table/singleapp.csv", "OUT"],
    "nvs": ["nvs", ESP / "nvs/ints.csv", "OUT", "0x3000"],
    "nvs-keys": ["nvs-keys", "OUT"],
    "secure-cert": ["secure-cert", "--private-key", KEY, "--plain-keys",
                    "--device-cert", ESP / "keys/TEST-ONLY-device-p256.crt.pem",
                    "-o", "OUT"],
    "encrypt": ["encrypt", "--chip", "esp32s3", "--address", "0", "--key",
                ESP / "flash_encryption/TEST-ONLY-xts128.bin",
                ESP / "flash_encryption/in/p4096.bin", "-o", "OUT"],
    "label": ["label", "--template", "x", "--format", "svg", "-o", "OUT"],
}


def small_files():
    """As on a full disk, of this process alone."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_half_is_left(name, workdir):
    out = workdir / "out"
    words = ["flash", *[out if w == "OUT" else w for w in MAKERS[name]]]
    done = mintmark(*words, preexec_fn=small_files, ok=(DATA, AGAIN))
    assert f"cannot write {out}: " in done.stderr
    assert not list(workdir.iterdir())
    mintmark(*words)
    made = out.read_bytes()
    mintmark(*words, "--force", preexec_fn=small_files, ok=(DATA, AGAIN))
    assert out.read_bytes() == made and len(made) > 100
    assert [p.name for p in workdir.iterdir()] == ["out"]
