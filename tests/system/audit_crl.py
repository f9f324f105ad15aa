"""Who is revoked, and the CRLs that say so (RFC 5280 sections 5 and 5.3.1)."""

import datetime

from cryptography import x509

from audit_base import der, der_head, must

SUPERSEDED, HOLD, NOT_USED, REMOVE = 4, 6, 7, 8
REASONS = {"unspecified": 0, "keyCompromise": 1, "cACompromise": 2,
           "affiliationChanged": 3, "superseded": 4,
           "cessationOfOperation": 5, "certificateHold": 6,
           "removeFromCRL": 8, "privilegeWithdrawn": 9, "aACompromise": 10}


class Revocations:
    """Acts by serial: (index, reason, time, since), the newest last."""

    def __init__(self):
        self.acts = {}

    def last(self, serial, size=None):
        acts = [a for a in self.acts.get(serial, [])
                if size is None or a[0] < size]
        return acts[-1] if acts and acts[-1][1] != REMOVE else None

    def is_on_hold(self, serial):
        last = self.last(serial)
        return last is not None and last[1] == HOLD

    def is_ended(self, serial):
        """For ever: a hold may end, and its certificate is there again."""
        return self.last(serial) is not None and not self.is_on_hold(serial)

    def for_ever(self, serial):
        """Revoked, and not by a certificate that took its place."""
        return any(a[1] not in (SUPERSEDED, HOLD, REMOVE)
                   for a in self.acts.get(serial, []))

    def check(self, serial, reason):
        must(reason <= 10 and reason != NOT_USED, "its reason")
        last = self.last(serial)
        if last is None:
            must(reason != REMOVE, "it is not held")
        else:
            must(last[1] == HOLD and reason != HOLD, "it is revoked already")

    def add(self, serial, index, reason, time, since=None):
        self.acts.setdefault(serial, []).append((index, reason, time, since))

    def supersede(self, serial, index, time):
        last = self.last(serial)
        if last is None or last[1] == HOLD:
            self.add(serial, index, SUPERSEDED, time)

    def listed(self, size, ours):
        """What a CRL that counts this many entries has to list."""
        out = {}
        for serial in self.acts:
            last = self.last(serial, size)
            if last is not None and ours(serial):
                out[serial] = last[1:]
        return out


def seconds(time):
    return int(time.replace(tzinfo=datetime.timezone.utc).timestamp())


def extension(of, kind):
    try:
        return of.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def what_it_lists(crl):
    out = {}
    for one in crl:
        must(one.serial_number not in out, "its CRL lists one twice")
        reason = extension(one, x509.CRLReason)
        since = extension(one, x509.InvalidityDate)
        out[one.serial_number] = (
            REASONS[reason.reason.value] if reason else 0,
            seconds(one.revocation_date),
            seconds(since.invalidity_date) if since else None)
    return out


def check_crl(tbs, body, certificates, wanted):
    """A TBSCertList against its entry and those who are revoked."""
    crl = x509.load_der_x509_crl(assemble_list(tbs))
    must(crl.tbs_certlist_bytes == tbs, "its CRL's form")
    number = extension(crl, x509.CRLNumber)
    must(number and number.crl_number == body[1], "its CRL's number")
    must(not any(e.critical for e in crl.extensions), "a critical extension")
    must(seconds(crl.last_update) == body[2]
         and seconds(crl.next_update) == body[3], "its CRL's times")
    must(any(c.subject == crl.issuer for c in certificates),
         "its CRL is by another")
    # RFC 5280 5.1.2.6: a list of nobody is absent.
    must(len(crl) > 0 or not has_list(tbs), "its CRL has an empty list")
    listed = what_it_lists(crl)
    must(len(listed) == body[5], "its CRL's count")
    must(listed.keys() == wanted.keys(),
         "its CRL lists others than are revoked")
    for serial, said in wanted.items():
        must(listed[serial] == said, "its CRL has another reason or date")


def has_list(tbs):
    """Whether a SEQUENCE follows version, algorithm, issuer and times."""
    _, at, end = der_head(tbs)
    for _ in range(5):
        at = der_head(tbs, at)[2]
    return at < end and der_head(tbs, at)[0] == 0x30


def assemble_list(tbs):
    """The algorithm stands behind the version, as in a certificate's TBS it
    stands behind the serial."""
    _, at, _ = der_head(tbs)
    at = der_head(tbs, at)[2]
    algorithm = tbs[at:der_head(tbs, at)[2]]
    return der(0x30, tbs + algorithm + der(0x03, b"\0\0"))
