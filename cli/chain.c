#include "cli/chain.h"

#include "ca/der.h"
#include "cli/command.h"

enum { FILE_MAX = 2 * MM_CERTIFICATE_MAX };

enum mm_error
mm_certificate_open(
    struct mm_span der, struct mm_arena *arena, struct mm_certificate *out)
{
	mm_auto(buffer) tbs = {0};
	struct mm_certificate one;
	enum mm_error error;

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	error = mm_certificate_tbs(der, &tbs);
	if (error != MM_OK)
		return error;
	one.tbs = mm_arena_copy(arena, mm_buffer_span(&tbs));
	if (one.tbs.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	error = mm_tbs_read(one.tbs, arena, &one.read);
	if (error == MM_OK)
		*out = one;
	return error;
}

/* The file's bytes as DER, in the arena. */
static enum mm_error
take_der(struct mm_span bytes, struct mm_arena *arena, struct mm_span *der)
{
	mm_auto(buffer) decoded = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&decoded, FILE_MAX);
	if (bytes.size == 0 || bytes.data[0] != MM_DER_SEQUENCE) {
		error = mm_pem_decode("CERTIFICATE", bytes, &decoded);
		bytes = mm_buffer_span(&decoded);
	}
	if (error != MM_OK)
		return error;
	*der = mm_arena_copy(arena, bytes);
	return der->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a certificate");
}

enum mm_error
mm_certificate_input(const char *path, struct mm_arena *arena,
    struct mm_span *der, struct mm_certificate *out)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(&file, FILE_MAX);
	error = mm_input(path, FILE_MAX, &file);
	if (error != MM_OK)
		return error;
	error = take_der(mm_buffer_span(&file), arena, der);
	if (error == MM_OK)
		error = mm_certificate_open(*der, arena, out);
	if (error != MM_OK && error != MM_E_MEMORY)
		error = mm_fail(MM_E_FORMAT, "%s: %s", path, mm_why(error));
	return error;
}

enum mm_error
mm_certificate_signed(struct mm_span certificate, const struct mm_tbs *tbs)
{
	enum mm_error error =
	    tbs->authority.size > 0
		? mm_certificate_verify_identifier(certificate, tbs->authority)
		: mm_certificate_verify(certificate, tbs->spki);

	return error == MM_OK ? MM_OK
			      : mm_fail(MM_E_MISMATCH,
				    "the log's certificate is not signed by "
				    "the key that it names");
}

enum mm_error
mm_chain_check(struct mm_span certificate, const struct mm_list *chain,
    struct mm_arena *arena)
{
	for (mm_list_each(const struct mm_bytes_item, item, *chain)) {
		struct mm_certificate issuer;
		enum mm_error error =
		    mm_certificate_open(item->value, arena, &issuer);

		if (error == MM_OK)
			error = mm_certificate_verify(
			    certificate, issuer.read.spki);
		if (error != MM_OK)
			return error;
		certificate = item->value;
	}
	return MM_OK;
}
