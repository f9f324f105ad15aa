"""An appliance on paper: it speaks the protocol over TLS and answers from a
paper log what a test wants it to answer, lies included."""

import base64
import datetime
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import auditor
import mintmark_client as mm

PAGE = 100  # entries in an answer, so that there are several


def inclusion(leaves, index):
    """RFC 6962 2.1.1, leaf side first."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return inclusion(leaves[:k], index) + [auditor.tree_root(leaves[k:])]
    return inclusion(leaves[k:], index - k) + [auditor.tree_root(leaves[:k])]


def consistency(leaves, older, whole=True):
    """RFC 6962 2.1.2."""
    if older == len(leaves):
        return [] if whole else [auditor.tree_root(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if older <= k:
        return consistency(leaves[:k], older, whole) + [
            auditor.tree_root(leaves[k:])]
    return consistency(leaves[k:], older - k, False) + [
        auditor.tree_root(leaves[:k])]


def make_identity(place, vkey_line, port):
    """A CA, a server certificate of it, and a client's identity for both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paper")])
    day = datetime.datetime(2024, 1, 1)

    def sign(ca, name, usage, names=()):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paper")])
        ).public_key(key.public_key()).serial_number(
            x509.random_serial_number()).not_valid_before(
            day).not_valid_after(datetime.datetime(2094, 1, 1)).add_extension(
            x509.BasicConstraints(ca, None), True).add_extension(
            x509.KeyUsage(not ca, False, False, False, False, ca, ca, False,
                          False), True)
        if usage:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([usage]), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(n) for n in names]), False)
        return builder.sign(key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM)

    place.mkdir()
    (place / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    (place / "key.pem").chmod(0o600)
    (place / "access-ca.pem").write_bytes(sign(True, name, None))
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    (place / "certificate.pem").write_bytes(sign(
        False, other, x509.ExtendedKeyUsageOID.CLIENT_AUTH))
    (place / "server.pem").write_bytes(sign(
        False, other, x509.ExtendedKeyUsageOID.SERVER_AUTH, ["localhost"]))
    (place / "appliance").write_text(f"127.0.0.1:{port} localhost\n")
    (place / "log.vkey").write_text(vkey_line)


class PaperAppliance:
    """`with PaperAppliance(log, place) as appliance:`; `place` becomes the
    identity. A test replaces what is to be a lie."""

    def __init__(self, log, place):
        self.log, self.place = log, place
        self.listener = socket.create_server(("127.0.0.1", 0))
        vkey = (f"{log.origin}+{log.id.hex()}+" + base64.b64encode(
            b"\x01" + log.raw).decode() + "\n")
        make_identity(place, vkey, self.listener.getsockname()[1])
        self.answers = {9: self.entries, 10: self.prove,
                        11: self.consistent, 13: self.export,
                        14: self.blob}
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(place / "server.pem", place / "key.pem")
        self.context.set_alpn_protocols([mm.ALPN])
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self):
        """A command may hold two connections at a time."""
        threads = []
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                break
            threads.append(threading.Thread(
                target=self.welcome, args=[connection], daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def welcome(self, connection):
        with connection:
            try:
                with self.context.wrap_socket(
                        connection, server_side=True) as stream:
                    self.talk(stream)
            except (OSError, mm.Closed):
                pass

    def talk(self, stream):
        while True:
            size = int.from_bytes(mm.read_exactly(stream, 4), "big")
            request = mm.decode(mm.read_exactly(stream, size))
            try:
                kind = request[0]
                body = self.answers[kind](request[2])
            except KeyError as error:  # what is said of it, or its error
                kind, body = 0, (error.args[0] if isinstance(
                    error.args[0], dict) else
                    {0: 57, 1: "not-found", 2: "not here"})
            stream.sendall(mm.frame(mm.encode(
                {0: kind, 1: request[1], 2: body})))

    # --- honest answers ---

    def leaves(self):
        return [auditor.leaf_hash(e) for e in self.log.entries]

    def entries(self, body):
        count = min(body[1], PAGE)
        return {0: body[0], 1: self.log.entries[body[0]:body[0] + count]}

    def receipt(self, index, log=None, size=None):
        log = log or self.log
        leaves = [auditor.leaf_hash(e) for e in log.entries[:size]]
        if index >= len(leaves):
            raise KeyError("not among them")
        lines = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(
            log.entries[index]).decode(), f"index {index}"]
        lines += [base64.b64encode(h).decode()
                  for h in inclusion(leaves, index)]
        return ("\n".join(lines) + "\n\n").encode() + log.note(size)

    def prove(self, body):
        if body.get(1):
            raise KeyError("nothing is cosigned")
        return {0: self.receipt(body[0], size=body.get(2))}

    def consistent(self, body):
        proof = consistency(self.leaves(), body[0]) if body[0] else []
        return {0: self.log.note()} | ({1: proof} if proof else {})

    def blob(self, body):
        for _, blob in self.log.blobs:
            if auditor.sha256(blob) == body[0]:
                return {0: len(blob), 1: blob[body[1]:body[1] + 65536]}
        raise KeyError("no such blob")

    def export(self, body):
        index = self.log.add(13, body | {6: "auditor-1", 7: b"0" * 16})
        return {0: index, 1: self.receipt(index)}
