/*
 * A CRL's TBSCertList is written (RFC 5280 section 5), one revoked certificate
 * after the other, in time and memory that grow with their number and no
 * faster. ca/crl.h reads it.
 */
#ifndef MM_REVOCATION_H
#define MM_REVOCATION_H

#include "protocol/bytes.h"

struct mm_crl_plan {
	struct mm_span issuer; /* the issuer's DER TBSCertificate: its subject
				* and its key's identifier */
	uint64_t number;       /* cRLNumber, 5.2.3: not critical, 1 to 20
				* octets */
	uint64_t this_update, next_update;
};

struct mm_crl_writer {
	struct mm_buffer revoked; /* the entries so far */
	uint64_t count;
};

/* `max`: bytes of all entries together. Cleared by mm_crl_writer_clear(). */
void mm_crl_writer_init(struct mm_crl_writer *writer, size_t max);
void mm_crl_writer_clear(struct mm_crl_writer *writer);

/* One that is revoked: serial's content octets; reason 0 is not written
 * (5.3.1); since 0: no invalidityDate. MM_E_RANGE, MM_E_MEMORY. */
enum mm_error mm_crl_add(struct mm_crl_writer *writer, struct mm_span serial,
    uint64_t date, uint64_t reason, uint64_t since) mm_must_use;

/* Appends the whole TBSCertList. MM_E_CERTIFICATE, MM_E_MEMORY. */
enum mm_error mm_crl_finish(const struct mm_crl_writer *writer,
    const struct mm_crl_plan *plan, struct mm_buffer *out) mm_must_use;

/* Appends the DER CertificateList; signature is the DER ECDSA-Sig-Value. */
enum mm_error mm_crl_assemble(struct mm_span tbs, struct mm_span signature,
    struct mm_buffer *out) mm_must_use;

#endif
