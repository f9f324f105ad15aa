/*
 * The facts of an MCUboot image: its header and TLVs, and whether its hash is
 * right.
 */
#include "signer/mcuboot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/numbers.h"
#include "signer/public_key.h"
#include "signer/readers.h"

enum { VERSION_TEXT = sizeof("255.255.65535+4294967295") };

static enum mm_error
no_room(void)
{
	return mm_image_wrong("what is to be said of it needs too much memory");
}

static enum mm_error
tell_version(struct mm_image_reading *r, const struct mm_image_version *v)
{
	char text[VERSION_TEXT];
	int size =
	    snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64 ".%" PRIu64,
		v->major, v->minor, v->revision);

	if (v->build != 0)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
		    "+%" PRIu64, v->build);
	r->facts->version =
	    mm_arena_copy(r->arena, mm_span(text, (size_t)size));
	return r->facts->version.data != NULL ? MM_OK : no_room();
}

/* u8 image, three zeros, then a version as in the header. */
static struct mm_dependency
dependency(const uint8_t *value)
{
	const uint8_t *version = value + 4;

	return (struct mm_dependency){
	    value[0], {version[0], version[1], mm_little(version + 2, 2),
			  mm_little(version + 4, 4)}};
}

static enum mm_error
tell_dependencies(struct mm_image_reading *r, const struct mm_mcuboot_layout *l,
    struct mm_list *out)
{
	struct mm_dependency *items =
	    mm_arena_alloc(r->arena, MM_DEPENDENCIES_MAX * sizeof(*items));
	size_t count = 0;

	if (items == NULL)
		return no_room();
	for (size_t i = 0; i < l->tlv_count; i++) {
		const struct mm_image_tlv *tlv = &l->tlvs[i];

		if (tlv->type != MM_MCUBOOT_DEPENDENCY)
			continue;
		if (count == MM_DEPENDENCIES_MAX)
			return mm_image_wrong(
			    "it has more than %d dependencies, at offset "
			    "0x%" PRIx64,
			    MM_DEPENDENCIES_MAX, tlv->offset);
		items[count++] = dependency(l->image.data + tlv->offset);
	}
	*out = (struct mm_list){items, count};
	return MM_OK;
}

static enum mm_error
tell_tlvs(struct mm_image_reading *r, const struct mm_mcuboot_layout *l,
    struct mm_list *out)
{
	size_t size = l->tlv_count * sizeof(l->tlvs[0]);
	struct mm_image_tlv *items = mm_arena_alloc(r->arena, size);

	if (items == NULL)
		return no_room();
	memcpy(items, l->tlvs, size);
	*out = (struct mm_list){items, l->tlv_count};
	return MM_OK;
}

/* Of a key that is there in full it is computed: nobody states it then. */
static enum mm_error
tell_key_hash(struct mm_image_reading *r, const struct mm_mcuboot_layout *l,
    struct mm_span *out)
{
	uint8_t computed[32];
	struct mm_span hash = l->key_hash;
	enum mm_error error = MM_OK;

	if (hash.size == 0 && l->public_key.size > 0) {
		error = mm_hash(l->public_key, computed);
		hash = mm_span(computed, sizeof(computed));
	}
	if (error != MM_OK || hash.size == 0)
		return error;
	*out = mm_arena_copy(r->arena, hash);
	return out->data != NULL ? MM_OK : no_room();
}

/*
 * What can be said of a signature whose key is not at hand: the image's hash
 * is right, which mm_mcuboot_hash() has seen to, and a key is named. Where the
 * key itself is there, it is that key's. Whether the key is a good one only
 * the bootloader knows. Other algorithms are not judged here.
 */
static bool
is_sound(
    const struct mm_mcuboot_layout *l, uint64_t type, const uint8_t digest[32])
{
	struct mm_public_key key;

	if (type != MM_MCUBOOT_ECDSA || digest == NULL)
		return false;
	if (l->public_key.size == 0)
		return l->key_hash.size > 0;
	return mm_public_key_read(l->public_key, &key) == MM_OK &&
	       key.algorithm == MM_ALGORITHM_P256 &&
	       mm_public_key_verify(
		   &key, mm_span(digest, 32), mm_mcuboot_signature(l)) == MM_OK;
}

/* `digest` is NULL where there is none to compare: an encrypted image. */
static enum mm_error
tell_signatures(struct mm_image_reading *r, const struct mm_mcuboot_layout *l,
    struct mm_span key, const uint8_t *digest)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < l->tlv_count && error == MM_OK; i++) {
		const struct mm_image_tlv *tlv = &l->tlvs[i];
		const char *algorithm = mm_mcuboot_algorithm(tlv->type);
		struct mm_signature_block block = {
		    .family = mm_span_text("mcuboot"),
		    .offset = tlv->offset,
		    .key = key};

		if (algorithm == NULL)
			continue;
		block.algorithm = mm_span_text(algorithm);
		block.sound = is_sound(l, tlv->type, digest);
		error = mm_image_add_signature(r, &block);
	}
	return error;
}

/* What is neither the image nor the rest of its slot. */
static void
tell_rest(struct mm_image_facts *facts, const struct mm_mcuboot_layout *l)
{
	size_t end = (size_t)(l->slot != 0 ? l->slot : l->end);
	struct mm_span rest = mm_span(l->image.data + end, l->image.size - end);

	facts->length = l->end;
	facts->trailing = rest.size;
	facts->blank = mm_image_is_erased(rest);
}

static enum mm_error
tell(struct mm_image_reading *r, const struct mm_mcuboot_layout *l,
    const uint8_t *digest)
{
	struct mm_mcuboot_facts *out = mm_arena_alloc(r->arena, sizeof(*out));
	enum mm_error error;

	if (out == NULL)
		return no_room();
	*out = (struct mm_mcuboot_facts){
	    .header = l->header,
	    .payload = l->payload,
	    .load_address = l->load_address,
	    .flags = l->flags,
	    .slot = l->slot,
	    .confirmed = l->confirmed,
	};
	error = tell_version(r, &l->version);
	if (error == MM_OK)
		error = tell_dependencies(r, l, &out->dependencies);
	if (error == MM_OK)
		error = tell_tlvs(r, l, &out->tlvs);
	if (error == MM_OK)
		error = tell_key_hash(r, l, &out->key_hash);
	if (error == MM_OK)
		error = tell_signatures(r, l, out->key_hash, digest);
	if (error == MM_OK)
		r->facts->mcuboot = (struct mm_list){out, 1};
	return error;
}

enum mm_error
mm_mcuboot_look(struct mm_span image, struct mm_prefix_hash *prefix)
{
	struct mm_mcuboot_layout layout;
	enum mm_error error = mm_mcuboot_layout(image, &layout);

	if (error == MM_OK)
		*prefix = (struct mm_prefix_hash){.size = layout.covered};
	return error;
}

enum mm_error
mm_mcuboot_read(struct mm_image_reading *r)
{
	struct mm_mcuboot_layout layout;
	uint8_t digest[32];
	bool encrypted;
	enum mm_error error = mm_mcuboot_layout(r->image, &layout);

	if (error != MM_OK)
		return error;
	encrypted = (layout.flags & MM_MCUBOOT_ENCRYPTED) != 0;
	error = mm_reading_hash(r, layout.covered, digest);
	if (error == MM_OK && !encrypted)
		error = mm_mcuboot_check_hash(&layout, digest);
	if (error == MM_OK)
		error = tell(r, &layout, encrypted ? NULL : digest);
	if (error != MM_OK)
		return error;
	r->facts->format =
	    mm_span_text(mm_image_format_name(MM_FORMAT_MCUBOOT));
	if (layout.counter.size > 0)
		r->facts->secure_version = mm_little(layout.counter.data, 4);
	tell_rest(r->facts, &layout);
	return MM_OK;
}
