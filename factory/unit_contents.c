#include <string.h>

#include "ca/certificate.h"
#include "factory/private_key.h"
#include "factory/unit_images_parts.h"

enum { FULL_CHAIN_MAX = 8 * MM_FLASH_PEM_MAX, FIRST = 0, LAST = 1 };

struct unit_content {
	const char *name;
	bool pem, key;
	enum mm_error (*get)(const struct unit_content *content,
	    const struct mm_image_unit *unit, struct unit_contents *room,
	    struct mm_span *out);
	int end; /* of the chain */
};

static enum mm_error
missing(const char *what)
{
	return mm_fail(MM_E_USAGE, "the unit has no %s", what);
}

enum mm_error
mm_unit_chain_end(
    const struct mm_image_unit *unit, bool last, struct mm_span *out)
{
	const struct mm_span *chain;

	if (unit->chain == NULL || unit->chain->count == 0)
		return missing("chain of certificates");
	chain = unit->chain->items;
	*out = chain[last ? unit->chain->count - 1 : 0];
	return MM_OK;
}

static enum mm_error
add_pem(struct unit_contents *room, struct mm_span der, struct mm_span *out)
{
	enum mm_error error = mm_pem_encode("CERTIFICATE", der, &room->pem);

	*out = mm_buffer_span(&room->pem);
	return error != MM_OK ? error : room->pem.error;
}

static enum mm_error
as_said(const struct unit_content *content, struct unit_contents *room,
    struct mm_span der, struct mm_span *out)
{
	*out = der;
	return content->pem ? add_pem(room, der, out) : MM_OK;
}

static enum mm_error
get_certificate(const struct unit_content *content,
    const struct mm_image_unit *unit, struct unit_contents *room,
    struct mm_span *out)
{
	return unit->certificate.size == 0
		   ? missing("certificate")
		   : as_said(content, room, unit->certificate, out);
}

static enum mm_error
get_end(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	struct mm_span der = mm_span(NULL, 0);
	enum mm_error error =
	    mm_unit_chain_end(unit, content->end == LAST, &der);

	return error == MM_OK ? as_said(content, room, der, out) : error;
}

static enum mm_error
get_chain(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	const struct mm_span *chain;
	struct mm_span first;
	enum mm_error error = mm_unit_chain_end(unit, false, &first);

	(void)content;
	if (error != MM_OK)
		return error;
	chain = unit->chain->items;
	for (size_t i = 0; i < unit->chain->count && error == MM_OK; i++)
		error = add_pem(room, chain[i], out);
	return error;
}

static enum mm_error
get_full_chain(const struct unit_content *content,
    const struct mm_image_unit *unit, struct unit_contents *room,
    struct mm_span *out)
{
	enum mm_error error = get_certificate(content, unit, room, out);

	return error == MM_OK ? get_chain(content, unit, room, out) : error;
}

static enum mm_error
get_key(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	enum mm_error error = MM_OK;

	if (unit->key == NULL)
		return missing("private key");
	*out = mm_span(unit->key->data, unit->key->size);
	if (!content->pem)
		return MM_OK;
	mm_flash_secret_clear(&room->key);
	error = mm_private_key_pem(unit->key, &room->key);
	*out = mm_span(room->key.data, room->key.size);
	return error;
}

static const struct unit_content contents[] = {
    {"certificate.der", false, false, get_certificate, 0},
    {"certificate.pem", true, false, get_certificate, 0},
    {"chain.pem", true, false, get_chain, 0},
    {"full-chain.pem", true, false, get_full_chain, 0},
    {"issuer.der", false, false, get_end, FIRST},
    {"issuer.pem", true, false, get_end, FIRST},
    {"ca.der", false, false, get_end, LAST},
    {"ca.pem", true, false, get_end, LAST},
    {"key.der", false, true, get_key, 0},
    {"key.pem", true, true, get_key, 0},
};

const struct unit_content *
mm_unit_content(struct mm_span name)
{
	for (size_t i = 0; i < MM_COUNT(contents); i++)
		if (mm_span_is(name, contents[i].name))
			return &contents[i];
	return NULL;
}

bool
mm_unit_content_is_key(const struct unit_content *content)
{
	return content->key;
}

/* What is taken as it is: text, or bytes. */
bool
mm_unit_content_fits(
    const struct unit_content *content, struct mm_span encoding)
{
	static const char fill[] = "blob_";

	return mm_span_is(encoding, "binary") ||
	       (content->pem && mm_span_is(encoding, "string")) ||
	       (encoding.size > sizeof(fill) - 1 &&
		   memcmp(encoding.data, fill, sizeof(fill) - 1) == 0);
}

enum mm_error
mm_unit_content_of(const struct unit_content *content,
    const struct mm_image_unit *unit, struct unit_contents *room,
    struct mm_span *out)
{
	if (room->pem.max == 0)
		mm_buffer_init(&room->pem, FULL_CHAIN_MAX);
	mm_buffer_reset(&room->pem);
	return content->get(content, unit, room, out);
}

void
mm_unit_contents_clear(struct unit_contents *room)
{
	mm_buffer_clear(&room->pem);
	mm_flash_secret_clear(&room->key);
}
