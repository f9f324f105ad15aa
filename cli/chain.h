/*
 * Certificates as files and answers bring them: taken apart, and whether
 * each is signed by the next.
 */
#ifndef MM_CHAIN_H
#define MM_CHAIN_H

#include "ca/certificate.h"
#include "protocol/message.h"

struct mm_certificate {
	struct mm_span tbs; /* DER; in the arena, like all of `read` */
	struct mm_tbs read;
};

/* MM_E_CERTIFICATE, or an error of mm_key_read. */
enum mm_error mm_certificate_open(struct mm_span der, struct mm_arena *arena,
    struct mm_certificate *out) mm_must_use;

/* The same of a file or stdin, PEM or DER; `der` is the arena's too.
 * MM_E_FORMAT where it is no certificate that can be read here. */
enum mm_error mm_certificate_input(const char *path, struct mm_arena *arena,
    struct mm_span *der, struct mm_certificate *out) mm_must_use;

/* A file of one or, in PEM, several, as mm_bytes_item in the arena. MM_E_RANGE
 * above MM_CHAIN_MAX; the errors of mm_certificate_input(). */
enum mm_error mm_chain_input(
    const char *path, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/*
 * Whether it is signed by the key that its own TBS names, by an identifier or,
 * a root's, as its own; where the log has the TBS, the log names the issuer.
 * MM_E_MISMATCH.
 */
enum mm_error mm_certificate_signed(
    struct mm_span certificate, const struct mm_tbs *tbs) mm_must_use;

/*
 * A certificate and the chain above it (mm_bytes_item: its issuer first).
 * Nothing is known here about the last one's issuer. MM_E_CERTIFICATE.
 */
enum mm_error mm_chain_check(struct mm_span certificate,
    const struct mm_list *chain, struct mm_arena *arena) mm_must_use;

#endif
