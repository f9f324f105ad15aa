#include "factory/register.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "ca/der.h"
#include "protocol/cbor.h"
#include "protocol/message.h"

enum { ARENA = 1 << 16 };

/* The contents of the string of the last common name (RFC 5280 A.1). */
static struct mm_span
common_name(struct mm_span subject)
{
	static const uint8_t id_cn[] = {0x55, 0x04, 0x03};
	struct mm_der name = mm_der(subject);
	struct mm_der parts = mm_der_enter(&name, MM_DER_SEQUENCE);
	struct mm_span found = {NULL, 0};

	while (mm_der_more(&parts)) {
		struct mm_der set = mm_der_enter(&parts, MM_DER_SET);

		while (mm_der_more(&set)) {
			struct mm_der part =
			    mm_der_enter(&set, MM_DER_SEQUENCE);
			struct mm_span type = mm_der_take(&part, MM_DER_OID);
			unsigned tag;
			struct mm_span value = mm_der_any(&part, &tag);

			if (mm_span_equal(type, mm_span(id_cn, sizeof(id_cn))))
				found = value;
		}
	}
	return found;
}

enum mm_error
mm_registration_read_tbs(struct mm_span tbs_bytes, struct mm_registration *out)
{
	mm_auto(arena) arena = {0};
	struct mm_span name;
	struct mm_tbs tbs;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_tbs_read(tbs_bytes, &arena, &tbs);
	if (error != MM_OK)
		return error;
	name = common_name(tbs.subject);
	if (name.size == 0 || name.size >= sizeof(out->name) ||
	    !mm_text_ok(name))
		return mm_fail(MM_E_CERTIFICATE,
		    "the certificate has no common name of 1 to %zu bytes",
		    sizeof(out->name) - 1);
	mm_span_string(name, out->name, sizeof(out->name));
	sodium_bin2hex(
	    out->serial, sizeof(out->serial), tbs.serial, sizeof(tbs.serial));
	return MM_OK;
}

enum mm_error
mm_registration_read(struct mm_span certificate, struct mm_registration *out)
{
	uint8_t sha256[crypto_hash_sha256_BYTES];
	mm_auto(buffer) tbs = {0};
	enum mm_error error;

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	error = mm_certificate_tbs(certificate, &tbs);
	if (error == MM_OK)
		error = mm_registration_read_tbs(mm_buffer_span(&tbs), out);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(sha256, certificate.data, certificate.size);
	sodium_bin2hex(
	    out->sha256, sizeof(out->sha256), sha256, sizeof(sha256));
	out->certificate = certificate;
	return MM_OK;
}

enum mm_error
mm_register_json(json_t *object, struct mm_buffer *out)
{
	mm_autofree char *text = NULL;

	if (object != NULL)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a row");
	mm_buffer_add_text(out, text);
	mm_buffer_add_text(out, "\n");
	return out->error == MM_OK ? MM_OK
				   : mm_fail(out->error, "no memory for a row");
}
