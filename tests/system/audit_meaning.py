"""What the entries of mintmark's log mean, one after the other: who
authorised what, what may be there once only, and what was signed by whom.
Written from protocol/mintmark.cddl and RFC 5280, not from the C programs."""

import datetime
import fnmatch
import re
from collections import Counter
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PublicKey)

from audit_base import (
    AUDITOR, CA, CLIENT, CODE, DEVICE, ECDSA_SHA256, FOREVER, GENESIS,
    KIND_NAMES, OFFICER, PROOF, RELEASE, S_CEREMONY, S_ORDER, S_POLICY,
    S_PRINCIPAL, S_RELEASE, S_REVOKE, S_WITHDRAW, SERVER, STATION, Wrong,
    assemble, der, must, not_after, sha256, strict_cbor)
from audit_crl import Revocations, check_crl
from audit_images import (
    P256, P_PARTITIONS, P_SCHEMES, P_SIZE, algorithm_of, algorithm_of_spki,
    check_certificate, check_claimed, check_digest, check_facts,
    check_history, check_partition_keys, check_signing, listed,
    verify_digest)

CDDL = (Path(__file__).resolve().parents[2]
        / "protocol/mintmark.cddl").read_text()
ERRORS = set(re.findall(r"^\t([a-z-]+): \d+, ;", CDDL, re.M))
REQUESTS = set(re.findall(r"message<\d+, [a-z-]+> ; ([a-z]+):", CDDL))
HEX = "0123456789ABCDEFabcdef"
MARKS = "-.:_"


def spki_of(key):
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


class Policy:
    """A policy document of the log."""

    def __init__(self, data):
        item = strict_cbor(data, "policy")
        self.digest = sha256(data)
        self.number = item[0]
        self.profiles = {p[0]: p for p in item[2]}
        self.products = {p[0]: p for p in item.get(3, [])}
        self.named = check_partition_keys(self.profiles.values(),
                                          self.products.values())
        self.officers = {sha256(o[1])[:8]: o for o in item[4]}
        # One officer is enough to withdraw.
        self.thresholds = {t[0]: t[1] for t in item[5]} | {S_WITHDRAW: 1}


class Key:
    """A key of the mint, for ever."""

    def __init__(self, name, use, spki):
        self.name, self.use, self.spki = name, use, spki
        self.public = serialization.load_der_public_key(spki)
        self.algorithm = algorithm_of(self.public)
        must(self.algorithm == P256 or use == 4, "RSA keys sign images alone")
        self.retired = False
        self.certificates = []  # of x509.Certificate
        self.profiles = set()   # that they were made by
        self.crl = None         # number and size of the last, void or not

    def verify(self, signature, data):
        must(self.algorithm == P256, "RSA keys sign images alone")
        self.public.verify(signature, data, ec.ECDSA(hashes.SHA256()))


class Auditor:
    """Takes the entries one by one and says what is wrong with them."""

    def __init__(self, vkey, blobs=None):
        self.vkey = vkey
        self.blobs = blobs or {}
        self.index = -1
        self.time = 0
        self.policy = None
        self.policy_index = 0
        self.started = False
        self.keys = {}          # name -> Key, retired ones too
        self.ceremonies = {}    # index -> (claim, expiry)
        self.inherit = []       # blobs that are to come
        self.succeeds = None
        self.certificates = {}  # index -> entry body, of all
        self.images = {}
        self.partitions = {}
        self.scraps = {}        # index of a certificate -> of the report
        self.crl_entries = {}   # index -> (Key, TBS)
        self.csrs = {}          # index -> (Key, info)
        self.signatures = {}    # index -> bytes
        self.voids = {}
        self.tbs_seen = {}
        self.serials = {}       # serial -> index
        self.issuers = {}       # serial -> name of the issuing key
        self.payloads = {}      # hash -> "pending", "stated", "withdrawn"
        self.spoken = set()     # hashes of images' statements
        self.principals = {}    # name -> claim
        self.principal_entries = {}
        self.newest = {}        # name -> index of a principal's newest entry
        self.orders = {}        # index -> claim, of every revision
        self.revisions = {}     # name -> index of the newest
        self.used = Counter()   # order's name -> units
        self.reissued = Counter()
        self.daily = Counter()  # (station, day) -> certificates
        self.counts = Counter()
        self.der = {}           # index -> certificate
        self.live = {}          # (profile, device) -> index or serial
        self.former = {}        # index -> what it replaces: the same
        self.key_owners = {}    # SHA-256 -> [owner, ...]
        self.key_serials = {}   # SHA-256 -> [serial, ...]
        self.requests = set()   # (principal, request id)
        self.revoked = Revocations()
        self.exports = Counter()  # (principal, day) -> how many
        self.never = set()      # indexes that must not be signed
        self.days = {}          # index -> day of a device's certificate

    def add(self, data):
        self.index += 1
        try:
            self.add_entry(data)
        except Wrong as e:
            raise Wrong(f"entry {self.index}: {e}") from e
        except InvalidSignature as e:
            raise Wrong(f"entry {self.index}: a signature does not"
                        " verify") from e
        except (ValueError, LookupError, TypeError,
                x509.DuplicateExtension) as e:
            raise Wrong(f"entry {self.index}: it cannot be read: {e}") from e

    def add_entry(self, data):
        entry = strict_cbor(data, "entry")
        must(sorted(entry) == [0, 1, 2, 3], "not an entry")
        kind, time, policy, body = (entry[k] for k in range(4))
        must((kind == GENESIS) == (self.index == 0), "genesis is entry 0")
        must(kind < len(KIND_NAMES), f"kind {kind}")
        must(time >= self.time, "its time runs backwards")
        self.time = time
        self.counts[KIND_NAMES[kind]] += 1
        getattr(self, "add_" + KIND_NAMES[kind])(body)
        must(policy == self.policy.digest, "not the policy in force")

    # --- people ---

    def open_statement(self, data):
        """(officer or None, payload) of one whose signature holds."""
        tagged = strict_cbor(data, "statement")
        must(getattr(tagged, "tag", 0) == 18, "not a COSE_Sign1")
        protected, unprotected, payload, signature = tagged.value
        header = strict_cbor(protected, "statement's header")
        must(header.keys() == {1, 4} and header[1] == -8
             and unprotected == {}, "a statement's header")
        must(header[4] in self.policy.officers, "unknown officer")
        officer = self.policy.officers[header[4]]
        Ed25519PublicKey.from_public_bytes(officer[1]).verify(
            signature, cbor2.dumps(
                ["Signature1", protected, b"", payload], canonical=True))
        return officer[0], payload

    def gather(self, statements, kind=None):
        """(claim, hash of the payload, how many officers are missing)."""
        opened = [self.open_statement(data) for data in statements]
        must(len({payload for _, payload in opened}) == 1,
             "statements of different payloads")
        signers = {officer for officer, _ in opened}
        must(len(signers) == len(opened), "one officer has signed twice")
        payload = opened[0][1]
        claim = strict_cbor(payload, "statement's payload")
        must(kind in (None, claim[0]), "a statement of another kind")
        must(claim[1] == self.vkey.name, "a statement for another log")
        # Who made it may have a clock that is a little ahead.
        must(claim[3] - 60 <= self.time <= claim[4], "a statement's time")
        return claim, sha256(payload), max(
            0, self.policy.thresholds[claim[0]] - len(signers))

    def check_statements(self, statements, kind, logged=True):
        """All sign one payload; enough officers; gives the claim's body."""
        claim, payload, missing = self.gather(statements, kind)
        must(missing == 0, "too few officers")
        must(self.payloads.get(payload) != "withdrawn",
             "a statement that was withdrawn")
        if logged:
            must(self.payloads.get(payload) != "stated",
                 "a replayed statement")
            self.payloads[payload] = "stated"
        self.expiry = claim[4]
        return claim[5]

    def brought(self, kind, principal, request):
        """By whoever brings such statements; at the birth by nobody."""
        if principal is None and request is None and not self.started:
            return
        self.asked(principal, request, *bringers(kind))

    def asked(self, principal, request, *roles):
        must(principal in self.principals, f"who is {principal}?")
        claim = self.principals[principal]
        must(claim[1] in roles and not claim[5], "the principal may not")
        must(isinstance(request, bytes), "it does not say who asked")
        self.request(principal, request)

    def request(self, principal, request):
        must((principal, request) not in self.requests,
             "this request made an entry already")
        self.requests.add((principal, request))

    def stated(self, body, kind):
        self.brought(kind, body.get(1), body.get(2))
        return self.check_statements(body[0], kind)

    def add_genesis(self, body):
        must(body[0] == self.vkey.name, "another origin")
        must(body[1] == self.vkey.raw, "another log key")
        self.policy = Policy(body[3])
        must(self.policy.number == 1, "the first policy's number")
        claim = self.check_statements(body.get(5, []), S_CEREMONY)
        self.ceremonies[0] = claim, self.expiry
        must(claim[0] == self.policy.digest, "another policy")
        must(not claim.keys() & {3, 5, 6}, "what is not for a birth")
        must(sorted((k[0], k[1], algorithm_of_spki(k[2])) for k in body[2])
             == sorted(map(listed, claim.get(1, []))),
             "other keys than the ceremony's")
        for key in body[2]:
            self.take_key(key[0], key[1], key[2])
        for former in claim.get(7, []):
            self.succeeds = former
            self.inherit = list(former.get(4, []))

    def add_policy(self, body):
        self.brought(S_POLICY, body.get(5), body.get(6))
        claim = self.check_statements(body[2], S_POLICY)
        new = Policy(body[0])
        must(claim == {0: new.number, 1: new.digest}, "another policy")
        must(new.number == self.policy.number + 1, "the policy's number")
        if self.started:
            self.check_lock_out(new)
        self.policy, self.policy_index = new, self.index

    def check_lock_out(self, new):
        issuing = {k.name for k in self.keys.values()
                   if not k.retired and k.certificates}
        for purpose in (CLIENT, SERVER):
            must(any(p[1] == purpose and p[2] in issuing
                     for p in new.profiles.values()),
                 "under this policy nobody could go on")
        must(any(c[1] == OFFICER and not c[5]
                 for c in self.principals.values()), "no officer is left")

    def add_principal(self, body):
        claim = self.stated(body, S_PRINCIPAL)
        former = self.principals.get(claim[0])
        must(former or not claim[5] or not self.started,
             "it disables nobody")
        if former and not former[5]:
            self.key_owners[former[2]].remove(("principal", claim[0]))
        if not claim[5]:
            self.own_key(claim[2], ("principal", claim[0]))
        self.principals[claim[0]] = claim
        self.principal_entries[self.index] = claim
        self.newest[claim[0]] = self.index

    def own_key(self, key, owner):
        owners = self.key_owners.setdefault(key, [])
        owners.append(owner)
        must(len(set(owners)) == 1, "its key is another's")

    def add_order(self, body):
        claim = self.stated(body, S_ORDER)
        former = self.orders.get(self.revisions.get(claim[0]))
        revision = claim.get(6, 0)
        if former is None:
            must(revision == 0, "there is no order to revise")
        else:
            must(revision == former.get(6, 0) + 1,
                 "an order of this name is there, with another revision")
            must(claim[1] == former[1], "the order is of another profile")
        if self.started and not claim.get(8):
            profile = self.policy.profiles.get(claim[1])
            must(profile and profile[1] == DEVICE, "no profile for devices")
        must(len(claim[3]) == (2 if 1 in claim[3] else 1), "its devices")
        must(not self.started or claim[2] <= holds(claim[3]),
             "more units than devices")
        self.orders[self.index] = claim
        self.revisions[claim[0]] = self.index

    def add_release(self, body):
        claim = self.stated(body, S_RELEASE)
        check_claimed(self.product(claim[0], claim[2]), claim)

    def product(self, name, size):
        product = self.policy.products.get(name)
        must(product, "product or scheme")
        must(size <= product.get(P_SIZE, 1 << 62), "the image's size")
        return product

    # --- approvals ---

    def add_pending(self, body):
        claim, payload, missing = self.gather(body[0])
        self.asked(body[1], body[2], *bringers(claim[0]))
        must(claim[0] != S_WITHDRAW, "a withdrawal does not wait")
        must(missing > 0, "enough officers have signed it")
        must(self.payloads.get(payload) in (None, "pending"),
             "it is in force, or withdrawn")
        self.payloads[payload] = "pending"
        self.check_along(claim[0], claim[5], body)

    def check_along(self, kind, claim, body):
        """What came along is what the statements speak of."""
        allowed = {S_PRINCIPAL: {3}, S_POLICY: {4, 5, 6, 7},
                   S_CEREMONY: {3, 8}}.get(kind, set())
        must(body.keys() <= {0, 1, 2} | allowed, "what came along")
        if kind == S_PRINCIPAL and 3 in body:
            must(sha256(body[3]) == claim[2], "another key came along")
        if kind == S_POLICY:
            new = Policy(body[4])
            must(claim == {0: new.number, 1: new.digest},
                 "another policy came along")
        if kind == S_CEREMONY:
            must(sorted(map(sha256, body.get(8, [])))
                 == sorted(i[1] for i in claim.get(5, [])),
                 "other certificates came along")
            must(all(sha256(body.get(3, b"")) == proof[3]
                     for proof in claim.get(6, [])),
                 "another key came along")

    def add_withdrawal(self, body):
        claim = self.stated(body, S_WITHDRAW)
        must(self.payloads.get(claim[0]) == "pending",
             "it withdraws what does not wait")
        self.payloads[claim[0]] = "withdrawn"

    # --- the mint's own keys ---

    def take_key(self, name, use, spki):
        must(name not in self.keys, "a key of this name was there")
        self.keys[name] = Key(name, use, spki)
        self.own_key(sha256(spki), ("mint", name))

    def key(self, name):
        key = self.keys.get(name)
        must(key is not None and not key.retired, f"no key is called {name}")
        return key

    def ceremony(self, index):
        must(index in self.ceremonies, "it does not rest on a ceremony")
        claim, expiry = self.ceremonies[index]
        must(self.time <= expiry, "the ceremony is over")
        return claim

    def add_ceremony(self, body):
        self.asked(body.get(1), body.get(2), OFFICER)
        claim = self.check_statements(body[0], S_CEREMONY)
        must(claim[0] == self.policy.digest, "held under another policy")
        must(7 not in claim, "a log succeeds another at its birth only")
        self.ceremonies[self.index] = claim, self.expiry

    def add_key(self, body):
        claim = self.ceremony(body[4])
        must(body[4] != 0, "the genesis has its keys itself")
        if body[3]:
            key = self.key(body[0])
            must((key.use, key.spki) == (body[1], body[2]), "another key")
            must(body[0] in claim.get(3, []), "the ceremony retires it not")
            key.retired = True
            return
        must((body[0], body[1], algorithm_of_spki(body[2]))
             in map(listed, claim.get(1, [])), "the ceremony lists no such key")
        self.take_key(body[0], body[1], body[2])

    def add_csr(self, body):
        claim, key = self.ceremony(body[3]), self.key(body[0])
        must({0: body[0], 1: body[1], 2: body[2]} in claim.get(4, []),
             "the ceremony asks for no such CSR")
        csr = x509.load_der_x509_csr(der(
            0x30, body[4] + ECDSA_SHA256 + der(0x03, b"\0\0")))
        must(csr.tbs_certrequest_bytes == body[4], "CSR: its form")
        must(spki_of(csr.public_key()) == key.spki, "another key is in it")
        profile = self.policy.profiles.get(body[1])
        must(profile is not None, f"no profile {body[1]}")
        check_subject(csr.subject, profile, body[2])
        self.csrs[self.index] = key, body[4]

    def add_import(self, body):
        claim, key = self.ceremony(body[1]), self.key(body[0])
        must({0: body[0], 1: sha256(body[2])} in claim.get(5, []),
             "the ceremony imports another certificate")
        certificate = x509.load_der_x509_certificate(body[2])
        must(spki_of(certificate.public_key()) == key.spki, "another key")
        must(is_ca(certificate) == (key.use != 4), "basicConstraints")
        must(certificate not in key.certificates, "it is there already")
        key.certificates.append(certificate)

    # --- what was there before ---

    def add_inherited(self, body):
        must(not self.started and self.inherit, "nothing is to be inherited")
        blob = self.inherit.pop(0)
        must((body.get(1), body.get(2), body[0])
             == (blob[0], blob[1], blob[2]), "another blob")
        data, things, last = self.blob(body[1], body[2]), 0, b""
        while data:
            item = cbor2.loads(data)
            size = len(cbor2.dumps(item, canonical=True))
            must(strict_cbor(data[:size], "inherited") and data[:size] > last,
                 "inherited things do not ascend")
            last, data = data[:size], data[size:]
            self.inherit_thing(item, things)
            things += 1
        must(things == body[0], "its blob has another number of things")

    def inherit_thing(self, item, number):
        if item.get(7):
            self.images[self.index, number] = {
                0: item[0], 1: item[1], 3: item[2], 4: item[7]}
            return
        serial = int.from_bytes(item[3], "big")
        must(serial not in self.serials, "this serial is there already")
        self.serials[serial] = self.index
        self.issuers[serial] = item[4]
        self.key_owners.setdefault(item[2], []).append(
            ("device", item[0], item[1]))
        self.key_serials.setdefault(item[2], []).append(serial)
        if item.get(5):
            self.revoked.add(serial, self.index, item[5] - 1, item[6])
        if not self.revoked.is_ended(serial):
            must((item[0], item[1]) not in self.live, "two live certificates")
            self.live[item[0], item[1]] = serial

    def blob(self, digest, size):
        must(digest in self.blobs, "its blob cannot be had")
        data = self.blobs[digest]
        must(len(data) == size and sha256(data) == digest, "another blob")
        return data

    # --- certificates ---

    def add_certificate(self, body):
        tbs, issuer = body[5], self.key(body[3])
        must(tbs not in self.tbs_seen, "this TBS is in the log already")
        self.tbs_seen[tbs] = self.index
        certificate = x509.load_der_x509_certificate(assemble(tbs, b"\x00"))
        must(certificate.tbs_certificate_bytes == tbs, "TBS: its form")
        serial = certificate.serial_number
        must(serial > 0 and serial.bit_length() > 64, "a weak serial")
        must(serial not in self.serials, "this serial is in the log already")
        self.serials[serial] = self.index
        self.issuers[serial] = body[3]
        must(sha256(spki_of(certificate.public_key())) == body[4],
             "another key is in the TBS")
        must(not any(self.revoked.for_ever(s)
                     for s in self.key_serials.get(body[4], [])),
             "its key was in a certificate that is revoked")
        self.former_serials = list(self.key_serials.get(body[4], []))
        self.key_serials.setdefault(body[4], []).append(serial)
        self.certificates[self.index] = body | {"serial": serial}
        profile = self.policy.profiles.get(body[0])
        must(profile is not None, f"no profile {body[0]}")
        must(8 not in body or profile[1] == DEVICE, "it replaces nothing")
        self.check_profile(certificate, profile, body)
        {DEVICE: self.check_device, CLIENT: self.check_client,
         SERVER: self.check_server, CA: self.check_authority,
         CODE: self.check_authority, PROOF: self.check_proof,
         }[profile[1]](body)
        if profile[1] in (CA, CODE):
            own = next(k for k in self.keys.values()
                       if sha256(k.spki) == body[4])
            own.certificates.append(certificate)
            own.profiles.add(body[0])
        else:
            must(profile[2] == body[3], "the profile has another issuer")
            must(issuer.use in {CLIENT: [3], SERVER: [3], DEVICE: [2],
                                PROOF: [1, 2, 3]}[profile[1]], "another CA's")
            must(issuer.certificates, "its issuer has no certificate")

    def check_profile(self, certificate, profile, body):
        def extension(kind):
            try:
                return certificate.extensions.get_extension_for_class(
                    kind).value
            except x509.ExtensionNotFound:
                return None
        must(is_ca(certificate) == (profile[1] == CA), "basicConstraints")
        eku = extension(x509.ExtendedKeyUsage)
        must([u.dotted_string for u in eku or []] == profile.get(8, []),
             "extended key usages")
        usage = extension(x509.KeyUsage)
        must(usage.key_cert_sign == (profile[1] == CA), "keyUsage")
        check_subject(certificate.subject, profile, body[1])
        if 4 not in profile:
            must(not_after(certificate) == FOREVER, "its notAfter")
        begin = certificate.not_valid_before.replace(
            tzinfo=datetime.timezone.utc).timestamp()
        must(begin <= self.time and (
            begin == self.time - profile.get(5, 0)
            or any(c.not_valid_before == certificate.not_valid_before
                   for c in self.keys[body[3]].certificates)),
            "its notBefore")

    def check_device(self, body):
        order = self.orders.get(body[2])
        must(order is not None, "it rests on no order")
        # The log's birth may bring such an order; nothing is signed by it.
        if order[2] > holds(order[3]):
            self.never.add(self.index)
        must(self.revisions[order[0]] == body[2],
             "the order has a newer revision")
        self.check_covered(order, body[0], body[1], body.get(6))
        self.asked(body.get(6), body.get(7), STATION)
        station = self.principals[body[6]]
        must(body[0] in station.get(3, []), "the station's profiles")
        day = self.days[self.index] = self.time // 86400
        self.daily[body[6], day] += 1
        must(self.daily[body[6], day] <= station.get(4, 1 << 62),
             "more than the station may on a day")
        self.own_key(body[4], ("device", body[0], body[1]))
        must(not any(map(self.revoked.is_on_hold, self.former_serials)),
             "its key is in a certificate that is on hold")
        if 8 in body:
            self.check_replaced(body, body[8][0])
            self.reissued[order[0]] += 1
            must(self.reissued[order[0]] <= order.get(7, 0),
                 "over the order's reissues")
        else:
            must(not self.is_live(self.live.get((body[0], body[1]))),
                 "the device has a certificate")
            self.used[order[0]] += 1
            must(self.used[order[0]] <= order[2], "over the order's units")
        self.live[body[0], body[1]] = self.index

    def check_covered(self, order, profile, device, station):
        must(order[1] == profile, "the order is for another profile")
        must(not order.get(8), "the order is closed")
        must(self.time <= order[5], "the order is over")
        must(station in order[4], "the order is not for this station")
        must(covers(order[3], device), "the order is not for this device")

    def serial_at(self, holder):
        """A device is held by an entry, or by what was inherited."""
        return (self.certificates[holder]["serial"]
                if holder in self.certificates else holder)

    def is_live(self, holder):
        """Or on hold, which is to keep its place."""
        return holder is not None and not self.revoked.is_ended(
            self.serial_at(holder))

    def check_replaced(self, body, former):
        holder = self.live.get((body[0], body[1]))
        must(self.is_live(holder), "it replaces nothing")
        serial = self.serial_at(holder)
        must(serial == int.from_bytes(former[1], "big")
             and self.serials[serial] == former[0],
             "it replaces a certificate that is not the device's")
        must(holder not in self.certificates or holder in self.signatures,
             "it replaces what is not signed")
        self.former[self.index] = holder

    def check_client(self, body):
        claim = self.principal_entries.get(body[2])
        must(claim is not None, "it rests on no principal")
        must(self.newest[claim[0]] == body[2], "an older statement's")
        must(claim[0] == body[1] and claim[2] == body[4] and not claim[5],
             "another principal")
        if 7 in body:
            must(body[6] == body[1], "another's renewal")
            self.asked(body[6], body[7], STATION, RELEASE, AUDITOR, OFFICER)
        elif 6 in body or self.started:
            must(self.principals[body[6]][1] == OFFICER, "brought by whom?")

    def check_server(self, body):
        must(6 not in body and 7 not in body, "nobody asks for it")
        must(body[2] == self.policy_index, "not the newest policy's")

    def check_authority(self, body):
        must(6 not in body and 7 not in body, "nobody asks for it")
        claim = self.ceremony(body[2])
        key = next((k.name for k in self.keys.values()
                    if sha256(k.spki) == body[4] and not k.retired), None)
        must({0: key, 1: body[3], 2: body[0], 3: body[1]}
             in claim.get(2, []), "the ceremony did not say so")

    def check_proof(self, body):
        must(6 not in body and 7 not in body, "nobody asks for it")
        claim = self.ceremony(body[2])
        must({0: body[3], 1: body[0], 2: body[1], 3: body[4]}
             in claim.get(6, []), "the ceremony proves nothing of this")

    # --- images ---

    def add_image(self, body):
        claim = self.check_statements(body.get(8, []), S_RELEASE,
                                      logged=False)
        # Its statements are enough; in earlier logs somebody asked, too.
        if 9 in body or 10 in body:
            self.asked(body.get(9), body.get(10), RELEASE)
        for member in range(4):
            must(claim[member] == body[member], "the statement differs")
        must({0: body[4], 1: body[5]} in claim[4], "another digest")
        key, product = self.key(body[6]), self.product(body[0], body[2])
        must(body[4] in product[P_SCHEMES], "product or scheme")
        check_signing(body[4], key, body[11], False, self.policy.named)
        check_digest(body[4], body[5], body[3])
        check_facts(product, body)
        check_certificate(product, key, self.time)
        self.check_version(product, body)
        self.images[self.index] = body

    def check_version(self, product, body):
        """Of what was inherited only the image is known."""
        former = []
        for index, other in self.images.items():
            if index in self.voids or other[0] != body[0]:
                continue
            must((other[1], other[4]) != (body[1], body[4]),
                 f"entry {index} has this image")
            must(other[1] != body[1] or other[3] == body[3],
                 f"entry {index} is another image of this version")
            former += [other] if isinstance(index, int) else []
        check_history(product, body, former)

    # --- partitions of devices ---

    def add_partition(self, body):
        self.asked(body[10], body[11], STATION)
        profile = self.policy.profiles.get(body[0])
        must(profile and profile[1] == DEVICE, f"no profile {body[0]}")
        must(body[6] in profile.get(P_PARTITIONS, []),
             "the profile's partitions are not signed so")
        order = self.orders.get(body[2])
        must(order is not None, "it rests on no order")
        must(self.revisions[order[0]] == body[2],
             "the order has a newer revision")
        self.check_covered(order, body[0], body[1], body[10])
        must(body[0] in self.principals[body[10]].get(3, []),
             "the station's profiles")
        self.check_owner(body)
        check_signing(body[6], self.key(body[8]), body[9], True,
                      self.policy.named)
        for index, other in self.partitions.items():
            must(index in self.voids
                 or (other[3], other[6]) != (body[3], body[6]),
                 f"entry {index} is of the same certificate and signing")
        self.partitions[self.index] = body

    def check_owner(self, body):
        """The certificate in it is the device's."""
        certificate = self.certificates.get(body[3])
        must(certificate and body[3] in self.signatures
             and (certificate[0], certificate[1]) == (body[0], body[1]),
             "not the device's certificate")
        must(self.revoked.last(certificate["serial"]) is None,
             "its certificate is revoked")
        must(self.live.get((body[0], body[1])) == body[3],
             "the device has another certificate")

    # --- units that failed for good ---

    def add_scrap(self, body):
        self.asked(body[5], body[6], STATION)
        order = self.orders.get(body[0])
        must(order is not None, "it rests on no order")
        must(self.revisions[order[0]] == body[0],
             "the order has a newer revision")
        must(body[5] in order[4], "the order's stations")
        certificate = self.certificates.get(body[1])
        must(certificate and body[1] in self.signatures,
             "its certificate is not there, or not signed")
        must(self.orders.get(certificate[2], {}).get(0) == order[0],
             "its certificate is another order's")
        must(certificate["serial"] == int.from_bytes(body[2], "big")
             and certificate[1] == body[3], "another serial or device")
        must(body[1] not in self.scraps, "its unit was reported before")
        must(1 <= len(body[4].encode()) <= 200, "its reason")
        self.scraps[body[1]] = self.index

    # --- revocation ---

    def add_revocation(self, body):
        for item in self.stated(body, S_REVOKE)[0]:
            serial = int.from_bytes(item[0], "big")
            must(serial in self.serials, "a certificate nobody issued")
            self.revoked.check(serial, item[1])
            self.revoked.add(serial, self.index, item[1], self.time,
                             item.get(2))

    def add_crl(self, body):
        key = self.key(body[0])
        must(key.use != 4, "not a CA's key")
        must(key.crl is None or body[1] == key.crl[0] + 1, "its number")
        must(body[4] <= self.index, "its size")
        must(key.crl is None or body[4] >= key.crl[1], "its size goes down")
        must(body[2] < body[3], "its times")
        longest = max((self.policy.profiles.get(p, {}).get(13, 0)
                       for p in key.profiles), default=0)
        must(body[3] - body[2] <= longest or not key.profiles,
             "it lasts too long")
        tbs = body[6] if 6 in body else self.blob(body[7], body[8])
        wanted = self.revoked.listed(
            body[4], lambda serial: self.issuers[serial] == body[0])
        check_crl(tbs, body, key.certificates, wanted)
        key.crl = body[1], body[4]
        self.crl_entries[self.index] = key, tbs

    # --- signatures ---

    def waits(self):
        return {**self.certificates, **self.images, **self.partitions,
                **self.crl_entries, **self.csrs}

    def signable(self, index, last):
        must(index > last, "its items do not ascend")
        must(index < self.index, "it speaks of the future")
        must(any(index in kind for kind in (
            self.certificates, self.images, self.partitions,
            self.crl_entries, self.csrs)),
            f"entry {index} is nothing to sign")
        must(index not in self.signatures, f"entry {index} is signed twice")
        must(index not in self.voids, f"entry {index} is void")
        return index

    def add_signatures(self, body):
        last = -1
        for item in body[0]:
            last = self.signable(item[0], last)
            must(last not in self.never, "more units than devices")
            self.check_signature(last, item[1])
            self.signatures[last] = item[1]
            if last in self.former:
                self.revoked.supersede(self.serial_at(self.former[last]),
                                       self.index, self.time)

    def check_signature(self, index, signature):
        if index in self.images:
            body = self.images[index]
            verify_digest(self.key(body[6]), body[5], signature)
        elif index in self.partitions:
            body = self.partitions[index]
            verify_digest(self.key(body[8]), body[7], signature)
        elif index in self.crl_entries or index in self.csrs:
            key, data = (self.crl_entries.get(index)
                         or self.csrs.get(index))
            must(not key.retired, "by a retired key")
            key.verify(signature, data)
        else:
            body = self.certificates[index]
            data = assemble(body[5], signature)
            certificate = x509.load_der_x509_certificate(data)
            must(certificate.signature_hash_algorithm.name == "sha256",
                 "another hash")
            self.key(body[3]).verify(certificate.signature, body[5])
            self.der[index] = data

    def add_void(self, body):
        last = -1
        for item in body[0]:
            last = self.signable(item[0], last)
            must(item[1] in ERRORS, "its reason")
            self.voids[last] = item[1]
            if last in self.certificates:
                self.give_back(last, self.certificates[last])
            elif last in self.images:
                # Whoever asked may ask again, in the same words.
                image = self.images[last]
                self.requests.discard((image.get(9), image.get(10)))
            elif last in self.partitions:
                partition = self.partitions[last]
                self.requests.discard((partition[10], partition[11]))

    def give_back(self, index, body):
        self.requests.discard((body.get(6), body.get(7)))
        order = self.orders.get(body[2])
        if order is None:
            return
        self.key_owners[body[4]].remove(("device", body[0], body[1]))
        self.daily[body[6], self.days[index]] -= 1
        if index in self.former:
            self.live[body[0], body[1]] = self.former.pop(index)
            self.reissued[order[0]] -= 1
        else:
            del self.live[body[0], body[1]]
            self.used[order[0]] -= 1

    # --- the rest ---

    def add_refusal(self, body):
        for item in body[0]:
            must(item[0] in self.principals, f"who is {item[0]}?")
            must(item[3] >= 1, "a refusal's count")
            must(item[1] in REQUESTS and item[2] in ERRORS, "its reason")

    def add_start(self, body):
        must(body[0], "a start without a version")
        must(body[1] == len(self.pending()), "what it found unsigned")
        must(not self.inherit, "not all that is to be inherited was")
        self.started = True

    def add_export(self, body):
        self.asked(body[6], body[7], AUDITOR, OFFICER)
        must(body[0] < body[1] <= self.index, "its range")
        must(body[2] in ("csv", "json"), "its format")
        self.exports[body[6], self.time // 86400] += 1
        must(self.exports[body[6], self.time // 86400] <= 100,
             "too many exports on a day")

    # --- in the end ---

    def pending(self):
        """Entries that are neither signed nor void."""
        return [i for i in sorted(k for k in self.waits()
                                  if isinstance(k, int))
                if i not in self.signatures and i not in self.voids]

    def report(self):
        return {"size": self.index + 1, "entries": dict(self.counts),
                "signatures": len(self.signatures),
                "voids": len(self.voids), "pending": self.pending()}


def bringers(kind):
    """Roles that bring statements of a kind."""
    return (OFFICER, RELEASE) if kind == S_RELEASE else (OFFICER,)


def is_ca(certificate):
    try:
        return certificate.extensions.get_extension_for_class(
            x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def check_subject(name, profile, filled):
    subject = [(a.oid.dotted_string, a.value) for a in name]
    must(subject == [(p[0], p[1].replace("{device}", filled)
                      .replace("{name}", filled)) for p in profile[3]],
         f"the subject {subject}")


def holds(devices):
    """How many ids a list or a pattern without `*` has at most; of ranges
    and of `*` nobody counts here."""
    if 0 in devices:
        return len(devices[0])
    if 3 in devices and "*" not in devices[3]:
        return 66 ** devices[3].count("?")
    return 1 << 64


def covers(devices, device):
    if 0 in devices:
        return device in devices[0]
    if 1 in devices:
        return in_range(devices[1], devices[2], device)
    # Device ids have no brackets, but a pattern might.
    pattern = devices[3].replace("[", "[[]")
    return fnmatch.fnmatchcase(device, pattern)


def in_range(first, last, device):
    """Between the ends as bytes; and where the ends are numbers, in digits
    of one case with marks at the same places, the id is such a number."""
    if not len(first) == len(last) == len(device):
        return False
    if not first.encode() <= device.encode() <= last.encode():
        return False
    at = next((i for i, (a, b) in enumerate(zip(first, last)) if a != b),
              len(first))
    if device[:at] != first[:at]:
        return False
    if any((a in MARKS or b in MARKS) and a != b
           for a, b in zip(first[at:], last[at:])):
        return True
    eui = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}(..[0-9A-Fa-f]"
                     r"[:-]?.?.?.?.?)?$|(?=.*[A-Fa-f])[0-9A-Fa-f]{12}$|"
                     r"(?=.*[A-Fa-f])[0-9A-Fa-f]{16}$")
    both = bool(eui.match(first) and eui.match(last))
    digits = set((first if both else first[at:])
                 + (last if both else last[at:])) - set(MARKS)
    scales = ["0123456789", HEX[:16], HEX[:10] + HEX[16:]][int(both):]
    scale = next((s for s in scales if digits <= set(s)), None)
    if scale is None:
        return not digits <= set(HEX)
    return all(d == f if f in MARKS else d in scale
               for d, f in zip(device[at:], first[at:]))
