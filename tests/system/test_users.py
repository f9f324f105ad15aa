"""A user for each process, as conf/mintmark.service runs them."""

import os
import pwd
import shutil

import pytest

from mint import fresh, new_csr

# Users that every Debian has, in the place of those of sysusers.d.
USERS = {"gate": "nobody", "authority": "bin", "notary": "games",
         "token": "daemon", "archive": "man", "inspector": "sync"}


def give(path, role, group=None):
    user = pwd.getpwnam(USERS[role])
    gid = pwd.getpwnam(USERS[group or role]).pw_gid
    for place in [path, *path.rglob("*")]:
        os.chown(place, user.pw_uid, gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
def test_each_process_is_somebody_else(own_mint):
    place = own_mint.dir
    for upper in own_mint.base, place:
        os.chmod(upper, 0o711)
    for name, role in [("anchor", "notary"), ("log-key", "notary"),
                       ("log", "archive"), ("index", "authority"),
                       ("record", "token"), ("token", "token")]:
        give(place / name, role)
    # tmpfiles.d: the archive reads the notary's store through its group.
    give(place / "state", "notary", "archive")
    os.chmod(place / "state", 0o750)
    for file in (place / "state").iterdir():
        os.chmod(file, 0o640)
    # systemd's credentials are root's alone.
    shutil.chown(place / "token/pin", "root", "root")
    os.chmod(place / "token/pin", 0o400)
    own_mint.config.write_text(
        own_mint.config.read_text() + "users = {%s}\n" % ", ".join(
            f'"{role}={user}"' for role, user in USERS.items()))

    own_mint.start()
    for role, processes in own_mint.daemon.children().items():
        for process in processes:
            assert process.username() == USERS[role], role
    order = own_mint.new_order()
    with own_mint.client() as client:
        assert client.issue(order, fresh("lamp"), new_csr())
    with own_mint.client("release") as client:
        image = b"F" + os.urandom(1000)
        upload = client.upload(image)
        assert client.release(upload, [own_mint.approve(image)])
    own_mint.stop()
    own_mint.audit()
