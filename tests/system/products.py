"""A mint with products of every kind, and images for them."""

import hashlib

from mint import ROOT, VECTORS, Mint

KEYS = "sb-1:RSA-3072,sb-2:RSA-3072,boot"
PRODUCTS = '''
product "demo" {
	schemes = {sha256-ecdsa}
	size = 16M
}
product "lamp" {
	schemes = {"secure-boot-v2-rsa3072:sb-1",
	           "secure-boot-v2-rsa3072:sb-2", sha256-ecdsa}
	format = esp-app
	chip = esp32c3
	project = demo-c3
	versions = semver
	slot = 1M
}
product "guard" {
	schemes = {sha256-ecdsa}
	format = esp-app
	versions = semver
	secure-version = 2
}
product "once" {
	schemes = {"secure-boot-v2-rsa3072:sb-1"}
	format = esp-app
}
product "more" {
	schemes = {"secure-boot-v2-rsa3072:sb-2"}
	format = esp-app
	resign = append
}
product "anew" {
	schemes = {"secure-boot-v2-rsa3072:sb-2"}
	format = esp-app
	resign = replace
}
product "mcu" {
	schemes = {"mcuboot:boot"}
	format = mcuboot
	versions = mcuboot
}
product "sealed" {
	schemes = {cose-sign1}
}
product "old" {
	schemes = {"secure-boot-v1:boot"}
	chip = esp32
	versions = dotted
}
product "away" {
	schemes = {sha256-ecdsa}
	unread = yes
}
'''
LAMP = VECTORS / "esp/app_image/c3_min.bin"  # demo-c3 1.2.3
OTHER = VECTORS / "esp/app_image/s3_secver5.bin"  # another chip's
OLD = VECTORS / "esp/app_image/esp32_secure_pad_v1.bin"  # 3.0.0
MCU = VECTORS / "esp/mcuboot/hash_min.bin"  # 1.2.3+4


def text():
    """The example's policy with these products."""
    whole = (ROOT / "conf/policy.conf").read_text()
    begin = whole.index('\nproduct "demo"')
    return whole[:begin] + PRODUCTS + whole[whole.index("# ----", begin):]


def make(place, **more):
    """A mint of them, not started."""
    (place / "policy.conf").write_text(text())
    return Mint(options=("--policy", place / "policy.conf",
                         "--signing-key", KEYS), **more)


# An app descriptor (esp_app_desc_t) begins in the first segment's data.
DESCRIPTOR = 32
SECURE_VERSION, VERSION = DESCRIPTOR + 4, DESCRIPTOR + 16


def rebuilt(image=None, version=None, secure_version=None, build=None):
    """The lamp's image made anew: another version, or other code."""
    out = bytearray((image or LAMP.read_bytes())[:-32])
    before = sum_of(out)
    if version is not None:
        out[VERSION:VERSION + 32] = version.encode().ljust(32, b"\0")
    if secure_version is not None:
        out[SECURE_VERSION:SECURE_VERSION + 4] = secure_version.to_bytes(
            4, "little")
    if build is not None:
        at = DESCRIPTOR + 300
        out[at:at + 16] = hashlib.md5(build.encode()).digest()
    out[-1] ^= before ^ sum_of(out)
    return bytes(out + hashlib.sha256(out).digest())


def sum_of(image):
    """What the segments' data add to the checksum: all words from the
    descriptor to the end of its segment, which is the one that changes."""
    size = int.from_bytes(image[28:32], "little")
    total = 0
    for byte in image[32:32 + size]:
        total ^= byte
    return total
