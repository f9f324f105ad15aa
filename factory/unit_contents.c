#include <string.h>

#include "ca/certificate.h"
#include "factory/private_key.h"
#include "factory/unit_images_parts.h"

enum { FULL_CHAIN_MAX = 8 * MM_FLASH_PEM_MAX };

struct unit_content {
	const char *name;
	bool pem;
	enum mm_error (*get)(const struct unit_content *content,
	    const struct mm_image_unit *unit, struct unit_contents *room,
	    struct mm_span *out);
	size_t (*least)(int key); /* bytes of its DER */
};

static enum mm_error
missing(const char *what)
{
	return mm_fail(MM_E_USAGE, "the unit has no %s", what);
}

enum mm_error
mm_unit_root(const struct mm_image_unit *unit, struct mm_span *out)
{
	if (unit->root.size == 0)
		return missing("root's certificate");
	*out = unit->root;
	return MM_OK;
}

enum mm_error
mm_unit_issuer(const struct mm_image_unit *unit, struct mm_span *out)
{
	if (unit->chain != NULL && unit->chain->count > 0) {
		*out = *(const struct mm_span *)unit->chain->items;
		return MM_OK;
	}
	if (unit->root.size == 0)
		return missing("certificate of its issuer, as it is a root's "
			       "own: say root = FILE, outside of sections");
	*out = unit->root;
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
get_issuer(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	struct mm_span der = mm_span(NULL, 0);
	enum mm_error error = mm_unit_issuer(unit, &der);

	return error == MM_OK ? as_said(content, room, der, out) : error;
}

static enum mm_error
get_root(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	struct mm_span der = mm_span(NULL, 0);
	enum mm_error error = mm_unit_root(unit, &der);

	return error == MM_OK ? as_said(content, room, der, out) : error;
}

/* A root's own devices have none: no certificate is between. */
static enum mm_error
get_chain(const struct unit_content *content, const struct mm_image_unit *unit,
    struct unit_contents *room, struct mm_span *out)
{
	enum mm_error error = MM_OK;

	(void)content;
	if (unit->chain == NULL)
		return missing("chain of certificates");
	*out = mm_buffer_span(&room->pem);
	for (mm_list_each(const struct mm_span, der, *unit->chain))
		if (error == MM_OK)
			error = add_pem(room, *der, out);
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

static size_t
least_issuer(int key)
{
	(void)key;
	return mm_least_issuer();
}

static size_t
least_chain(int key)
{
	(void)key;
	return 0;
}

static size_t
least_key(int key)
{
	return mm_least_key(key, true);
}

static const struct unit_content contents[] = {
    {"certificate.der", false, get_certificate, mm_least_certificate},
    {"certificate.pem", true, get_certificate, mm_least_certificate},
    {"chain.pem", true, get_chain, least_chain},
    {"full-chain.pem", true, get_full_chain, mm_least_certificate},
    {"issuer.der", false, get_issuer, least_issuer},
    {"issuer.pem", true, get_issuer, least_issuer},
    {"ca.der", false, get_root, least_issuer},
    {"ca.pem", true, get_root, least_issuer},
    {"key.der", false, get_key, least_key},
    {"key.pem", true, get_key, least_key},
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
	return content->get == get_key;
}

bool
mm_unit_content_is_root(const struct unit_content *content)
{
	return content->get == get_root;
}

size_t
mm_unit_content_least(const struct unit_content *content, int key)
{
	size_t der = content->least(key);

	return content->pem && der > 0 ? mm_least_pem(der) : der;
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
