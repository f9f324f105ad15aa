/*
 * Before a signature leaves the appliance it is attached as the client will
 * attach it, and the outcome read and verified as a device would.
 */
#include <string.h>

#include "signer/hashing.h"
#include "signer/inspector_parts.h"

/* One signature, decoded. */
struct proof {
	struct mm_signing_name name;
	struct mm_signed is;
};

struct proving {
	struct mm_mapping *mapping;
	const struct mm_prove_image *request;
	struct mm_arena *arena;
	struct mm_image_facts facts; /* of the image as it came */
	struct proof *proofs;        /* as many as the request has */
};

static struct mm_span
mapped(const struct mm_mapping *mapping)
{
	return mm_span(mapping->start, mapping->size);
}

/* That it is another file matters more than that this one is broken. */
static enum mm_error
read_image(struct proving *p)
{
	struct mm_span image = mapped(p->mapping);
	uint8_t sha256[32];
	enum mm_error error, hashed;

	error = mm_image_read(image, p->request->as, p->arena, &p->facts);
	memcpy(sha256, p->facts.sha256, sizeof(sha256));
	hashed = error == MM_OK ? MM_OK : mm_hash(image, sha256);
	if (hashed != MM_OK)
		return hashed;
	if (memcmp(sha256, p->request->sha256, sizeof(sha256)) != 0)
		return mm_fail(MM_E_IMAGE_ABSENT,
		    "the file is not the image that was signed: submit it "
		    "again");
	return error;
}

static enum mm_error
read_proof(const struct mm_prove_signature *signature, struct proof *proof)
{
	enum mm_error error = mm_signing_read(signature->signing, &proof->name);

	if (error == MM_OK)
		error = mm_public_key_read(signature->spki, &proof->is.key);
	if (error != MM_OK)
		return error;
	if (proof->is.key.algorithm != proof->name.scheme->algorithm)
		return mm_fail(MM_E_KEY_TYPE,
		    "%.*s is made by a key of another kind",
		    MM_SPAN(signature->signing));
	proof->is.signature = signature->signature;
	return MM_OK;
}

static enum mm_error
read_proofs(struct proving *p)
{
	size_t count = p->request->signatures.count, i = 0;
	enum mm_error error = MM_OK;

	p->proofs = mm_arena_alloc(p->arena, count * sizeof(*p->proofs));
	if (p->proofs == NULL)
		return mm_fail(MM_E_MEMORY, "no room for signatures");
	for (mm_list_each(const struct mm_prove_signature, signature,
		 p->request->signatures)) {
		error = read_proof(signature, &p->proofs[i++]);
		if (error != MM_OK)
			break;
	}
	return error;
}

/* --- detached: a file of its own beside the image --- */

static enum mm_error
prove_detached(const struct proving *p, const struct proof *proof)
{
	const struct mm_image image = {mapped(p->mapping), &p->facts};
	mm_auto(attached) attached = {.count = 0};
	mm_auto(buffer) file = {0};
	enum mm_error error = proof->name.scheme->attach(&image,
	    (enum mm_resign)p->request->resign, &proof->is, 1, &attached);

	mm_buffer_init(&file, MM_MAPPING_ROOM);
	if (error == MM_OK)
		error = mm_attached_write(&attached, &file);
	if (error != MM_OK)
		return error;
	return proof->name.scheme->verify(
	    &image, mm_buffer_span(&file), &proof->is.key, NULL);
}

/* --- attached: behind the image --- */

static bool
lies_within(struct mm_span bytes, const struct mm_mapping *mapping)
{
	return bytes.size > 0 && bytes.data >= mapping->start &&
	       bytes.data < mapping->start + mapping->whole;
}

/* Writes what the scheme made between the pieces of the image, which stay
 * where they are. */
static enum mm_error
write_pieces(struct mm_mapping *mapping, const struct mm_attached *attached)
{
	uint64_t size = mm_attached_size(attached);
	uint8_t *at = mapping->start;

	if (size > mapping->whole)
		return mm_fail(MM_E_INSPECTOR,
		    "the signed image has %llu bytes: no room for it",
		    (unsigned long long)size);
	for (size_t i = 0; i < attached->count; i++) {
		const struct mm_piece *piece = &attached->pieces[i];

		if (lies_within(piece->bytes, mapping) &&
		    piece->bytes.data != at)
			return mm_fail(MM_E_BUG, "a part of the image moves");
		if (piece->bytes.size > 0 && piece->bytes.data != at)
			memcpy(at, piece->bytes.data, piece->bytes.size);
		at += piece->bytes.size;
		memset(at, 0xFF, (size_t)piece->fill);
		at += piece->fill;
	}
	mapping->size = (size_t)size;
	return MM_OK;
}

static enum mm_error
attach(struct proving *p, const struct mm_scheme *scheme,
    const struct mm_signed *signatures, size_t count)
{
	const struct mm_image image = {mapped(p->mapping), &p->facts};
	mm_auto(attached) attached = {.count = 0};
	enum mm_error error = scheme->attach(&image,
	    (enum mm_resign)p->request->resign, signatures, count, &attached);

	return error == MM_OK ? write_pieces(p->mapping, &attached) : error;
}

/* The signed image is read again, from nothing. */
static enum mm_error
verify_attached(struct proving *p)
{
	struct mm_image_facts facts = {0};
	const struct mm_image image = {mapped(p->mapping), &facts};
	enum mm_error error =
	    mm_image_read(image.bytes, p->request->as, p->arena, &facts);

	for (size_t i = 0; i < p->request->signatures.count && error == MM_OK;
	     i++) {
		const struct proof *proof = &p->proofs[i];

		if (!proof->name.scheme->detached)
			error = proof->name.scheme->verify(
			    &image, (struct mm_span){0}, &proof->is.key, NULL);
	}
	return error;
}

/* All attached ones must be of one family: each signs the file as it came. */
static enum mm_error
prove_attached(struct proving *p)
{
	struct mm_signed signatures[MM_INSPECTOR_SIGNINGS];
	const struct mm_scheme *scheme = NULL;
	size_t count = 0;
	enum mm_error error;

	for (size_t i = 0; i < p->request->signatures.count; i++) {
		const struct mm_scheme *next = p->proofs[i].name.scheme;

		if (next->detached)
			continue;
		if (scheme != NULL && strcmp(scheme->family, next->family) != 0)
			return mm_fail(MM_E_SCHEME,
			    "%s and %s cannot both be attached to one image",
			    scheme->name, next->name);
		scheme = next;
		signatures[count++] = p->proofs[i].is;
	}
	if (scheme == NULL)
		return MM_OK;
	error = attach(p, scheme, signatures, count);
	return error == MM_OK ? verify_attached(p) : error;
}

enum mm_error
mm_inspector_prove(struct mm_mapping *mapping,
    const struct mm_prove_image *request, struct mm_arena *arena)
{
	struct proving p = {
	    .mapping = mapping, .request = request, .arena = arena};
	enum mm_error error = read_image(&p);

	if (error == MM_OK)
		error = read_proofs(&p);
	for (size_t i = 0; i < request->signatures.count && error == MM_OK; i++)
		if (p.proofs[i].name.scheme->detached)
			error = prove_detached(&p, &p.proofs[i]);
	return error == MM_OK ? prove_attached(&p) : error;
}
