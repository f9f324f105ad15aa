#include "cli/chain.h"

#include <ctype.h>
#include <string.h>

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

/* A block of PEM or what there is of one, or DER as a whole. */
static struct mm_span
take_block(struct mm_span *rest)
{
	static const char end[] = "-----END CERTIFICATE-----";
	const uint8_t *found =
	    rest->data[0] == MM_DER_SEQUENCE
		? NULL
		: memmem(rest->data, rest->size, end, sizeof(end) - 1);
	size_t size = found != NULL
			  ? (size_t)(found - rest->data) + sizeof(end) - 1
			  : rest->size;
	struct mm_span block = mm_span(rest->data, size);

	*rest = mm_span(rest->data + size, rest->size - size);
	while (rest->size > 0 && isspace(rest->data[0]))
		*rest = mm_span(rest->data + 1, rest->size - 1);
	return block;
}

static enum mm_error
read_chain(struct mm_span rest, struct mm_arena *arena,
    struct mm_bytes_item *items, size_t *count)
{
	enum mm_error error = MM_OK;

	for (*count = 0; error == MM_OK && rest.size > 0; ++*count) {
		struct mm_certificate read;

		if (*count == MM_CHAIN_MAX)
			return mm_fail(MM_E_RANGE,
			    "it has more than %d certificates", MM_CHAIN_MAX);
		error =
		    take_der(take_block(&rest), arena, &items[*count].value);
		if (error == MM_OK)
			error = mm_certificate_open(
			    items[*count].value, arena, &read);
	}
	return error;
}

enum mm_error
mm_chain_input(const char *path, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) file = {0};
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, MM_CHAIN_MAX * sizeof(*items));
	size_t count = 0;
	enum mm_error error;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for certificates");
	mm_buffer_init(&file, MM_CHAIN_MAX * FILE_MAX);
	error = mm_input(path, MM_CHAIN_MAX * FILE_MAX, &file);
	if (error != MM_OK)
		return error;
	error = read_chain(mm_buffer_span(&file), arena, items, &count);
	if (error == MM_OK && count == 0)
		error = mm_fail(MM_E_FORMAT, "there is no certificate");
	if (error != MM_OK)
		return mm_fail(error == MM_E_MEMORY || error == MM_E_RANGE
				   ? error
				   : MM_E_FORMAT,
		    "%s: %s", path, mm_why(error));
	*out = (struct mm_list){items, count};
	return MM_OK;
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
