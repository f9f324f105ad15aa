#include "cli/release_attach.h"

enum { ARENA = 65536 + 4096, GROWS = 1 << 20 };

bool
mm_release_has(const struct mm_release_all *all, bool detached)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->one[i].scheme->detached == detached)
			return true;
	return false;
}

/* As one made by the family's own hand: pieces, then a buffer. */
static enum mm_error
make(const struct mm_scheme *scheme, const struct mm_own_image *image,
    uint64_t resign, const struct mm_signed *signatures, size_t count,
    struct mm_buffer *out)
{
	const struct mm_image bytes = {
	    mm_own_image_bytes(image), &image->facts};
	struct mm_attached attached = {.count = 0};
	enum mm_error error = scheme->attach(
	    &bytes, (enum mm_resign)resign, signatures, count, &attached);

	if (error == MM_OK)
		error = mm_attached_write(&attached, out);
	mm_attached_clear(&attached);
	return error;
}

static struct mm_signed
signature_of(const struct mm_release_signed *one)
{
	return (struct mm_signed){
	    .key = one->key, .signature = one->answer.signature};
}

/* What a bootloader will ask of the file. */
static enum mm_error
verify(const struct mm_release_all *all, const struct mm_own_image *image,
    struct mm_span made)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	const struct mm_image bytes = {made, &facts};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(made, image->facts.format, &arena, &facts);
	for (size_t i = 0; i < all->count && error == MM_OK; i++) {
		const struct mm_release_signed *one = &all->one[i];

		if (!one->scheme->detached)
			error = one->scheme->verify(
			    &bytes, mm_span(NULL, 0), &one->key, NULL);
	}
	return error;
}

enum mm_error
mm_release_attach(const struct mm_release_all *all,
    const struct mm_own_image *image, uint64_t resign, struct mm_buffer *out)
{
	struct mm_signed signatures[MM_SIGNINGS_MAX];
	const struct mm_scheme *scheme = NULL;
	struct mm_span bytes = mm_own_image_bytes(image);
	size_t count = 0;
	enum mm_error error;

	for (size_t i = 0; i < all->count; i++) {
		if (all->one[i].scheme->detached)
			continue;
		if (scheme == NULL)
			scheme = all->one[i].scheme;
		signatures[count++] = signature_of(&all->one[i]);
	}
	mm_buffer_init(out, bytes.size + GROWS);
	if (scheme == NULL) {
		mm_buffer_add(out, bytes.data, bytes.size);
		return out->error;
	}
	error = make(scheme, image, resign, signatures, count, out);
	return error == MM_OK ? verify(all, image, mm_buffer_span(out)) : error;
}

enum mm_error
mm_release_detached(const struct mm_release_signed *one,
    const struct mm_own_image *image, struct mm_buffer *out)
{
	const struct mm_signed signature = signature_of(one);
	const struct mm_image bytes = {
	    mm_own_image_bytes(image), &image->facts};
	enum mm_error error;

	mm_buffer_init(out, GROWS);
	error = make(one->scheme, image, MM_RESIGN_REFUSE, &signature, 1, out);
	return error == MM_OK ? one->scheme->verify(&bytes, mm_buffer_span(out),
				    &one->key, NULL)
			      : error;
}
