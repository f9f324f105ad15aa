/*
 * What a broker or a cloud has to know besides the devices: their CAs'
 * certificates and CRLs, put together from the log.
 */
#include <string.h>

#include "ca/certificate.h"
#include "ca/revocation.h"
#include "cli/chain.h"
#include "cli/register_parts.h"
#include "factory/ca_file.h"

enum { ARENA = 8 << 20, CHAIN = 8 };

/* A CA's certificate. */
struct authority {
	struct mm_span der;
	struct mm_certificate certificate;
};

static enum mm_error
open_authority(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_arena *arena, struct authority *out)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	error = mm_kept_certificate(scan, kept, arena, &der);
	if (error != MM_OK)
		return error;
	out->der = mm_arena_copy(arena, mm_buffer_span(&der));
	if (out->der.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	return mm_certificate_open(out->der, arena, &out->certificate);
}

static bool
is_issuer(const struct authority *above, struct mm_span der,
    const struct mm_tbs *below)
{
	return above->certificate.read.ca &&
	       mm_span_equal(above->certificate.read.subject, below->issuer) &&
	       mm_certificate_verify(der, above->certificate.read.spki) ==
		   MM_OK;
}

/* The newest certificate of who signed this one. */
static enum mm_error
find_issuer(struct mm_register_scan *scan, struct mm_span der,
    const struct mm_tbs *below, struct mm_arena *arena, struct authority *out)
{
	for (size_t i = scan->kept.count; i-- > 0;) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);
		enum mm_error error;

		if ((kept->kind != MM_KEPT_AUTHORITY &&
			kept->kind != MM_KEPT_IMPORT) ||
		    kept->signed_at == UINT64_MAX)
			continue;
		error = open_authority(scan, kept, arena, out);
		if (error == MM_OK && is_issuer(out, der, below))
			return MM_OK;
	}
	return mm_fail(MM_E_NOT_FOUND,
	    "the log has no certificate of the CA above; bring all of them, "
	    "up to the root, with --ca");
}

static bool
is_of_device(const struct mm_kept *kept, size_t issuer)
{
	return kept->kind == MM_KEPT_DEVICE && kept->issuer == issuer &&
	       kept->signed_at != UINT64_MAX;
}

/* Any device's certificate by this CA, to begin with. */
static enum mm_error
find_device(struct mm_register_scan *scan, size_t issuer,
    struct mm_arena *arena, struct authority *out)
{
	for (size_t i = 0; i < scan->kept.count; i++) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		if (is_of_device(kept, issuer))
			return open_authority(scan, kept, arena, out);
	}
	return mm_fail(MM_E_NOT_FOUND,
	    "the log has no certificate of a device by \"%s\"",
	    scan->issuers[issuer]);
}

enum mm_error
mm_register_issuer(struct mm_register_scan *scan, size_t issuer, bool chain,
    struct mm_buffer *pem)
{
	mm_auto(arena) arena = {0};
	struct authority below, above;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = find_device(scan, issuer, &arena, &below);
	for (size_t i = 0; i < CHAIN && error == MM_OK; i++) {
		const struct mm_tbs *tbs = &below.certificate.read;

		if (i > 0 &&
		    (!chain || mm_span_equal(tbs->issuer, tbs->subject)))
			return MM_OK;
		error = find_issuer(scan, below.der, tbs, &arena, &above);
		if (error == MM_OK)
			error = mm_pem_encode("CERTIFICATE", above.der, pem);
		below = above;
	}
	return error == MM_OK
		   ? mm_fail(MM_E_RANGE, "the chain of CAs has no end")
		   : error;
}

enum mm_error
mm_register_reaches(
    struct mm_register_scan *scan, size_t issuer, struct mm_span pem)
{
	mm_auto(arena) arena = {0};
	struct authority device;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = find_device(scan, issuer, &arena, &device);
	if (error == MM_OK)
		error = mm_ca_file_reaches(pem, device.der);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "devices of \"%s\": %s",
				    scan->issuers[issuer], mm_why(error));
}

bool
mm_register_next_issuer(const struct mm_register_scan *scan, size_t *issuer)
{
	for (; *issuer < scan->issuer_count; ++*issuer)
		for (size_t i = 0; i < scan->kept.count; i++) {
			const struct mm_kept *kept =
			    mm_kept_at(scan->kept, struct mm_kept, i);

			if (is_of_device(kept, *issuer))
				return true;
		}
	return false;
}

/* --- CRLs --- */

static const struct mm_kept *
newest_crl(const struct mm_register_scan *scan, size_t issuer)
{
	for (size_t i = scan->kept.count; i-- > 0;) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		if (kept->kind == MM_KEPT_CRL && kept->issuer == issuer &&
		    kept->signed_at != UINT64_MAX)
			return kept;
	}
	return NULL;
}

static uint64_t
revoked_after(const struct mm_register_scan *scan, size_t issuer, uint64_t size)
{
	uint64_t count = 0;

	for (size_t i = 0; i < scan->kept.count; i++) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		count += kept->kind == MM_KEPT_DEVICE &&
			 kept->issuer == issuer && kept->revoked &&
			 kept->revoked_at >= size;
	}
	return count;
}

static enum mm_error
put_crl(struct mm_register_scan *scan, const struct mm_crl_entry *body,
    struct mm_span signature, struct mm_buffer *pem)
{
	mm_auto(buffer) crl = {0};
	mm_auto(buffer) tbs = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&crl, MM_BLOB_MAX + 4096);
	mm_buffer_init(&tbs, MM_BLOB_MAX);
	if (body->tbs.size > 0) {
		mm_buffer_add(&tbs, body->tbs.data, body->tbs.size);
		error = tbs.error;
	} else {
		struct mm_blob blob = {.size = body->tbs_size};

		memcpy(blob.sha256, body->tbs_sha256.data, sizeof(blob.sha256));
		error = mm_source_blob(scan->source, &blob, &tbs);
	}
	if (error == MM_OK)
		error = mm_crl_assemble(mm_buffer_span(&tbs), signature, &crl);
	return error == MM_OK
		   ? mm_pem_encode("X509 CRL", mm_buffer_span(&crl), pem)
		   : error;
}

enum mm_error
mm_register_crl(struct mm_register_scan *scan, size_t issuer,
    struct mm_buffer *pem, uint64_t *missing)
{
	const struct mm_kept *kept = newest_crl(scan, issuer);
	mm_auto(arena) arena = {0};
	struct mm_crl_entry body;
	struct mm_entry entry;
	struct mm_span signature;
	enum mm_error error;

	*missing = revoked_after(scan, issuer, 0);
	if (kept == NULL)
		return mm_fail(MM_E_NOT_FOUND, "the log has no CRL of \"%s\"",
		    scan->issuers[issuer]);
	mm_arena_init(&arena, ARENA);
	error = mm_kept_read(scan, kept, &arena, &entry, &signature);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_crl_entry_shape, entry.body, &arena, &body);
	if (error != MM_OK)
		return error;
	*missing = revoked_after(scan, issuer, body.size);
	return put_crl(scan, &body, signature, pem);
}
