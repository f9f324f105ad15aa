#include "cli/produce_seen.h"

#include <sodium.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

#define TEXTS_MAX ((size_t)1 << 32)

/* Open addressing; at most half of the places are taken. */
struct mm_seen_place {
	uint64_t hash;
	size_t at, size; /* of the text */
	uint64_t number;
	bool taken;
};

void
mm_seen_clear(struct mm_seen *seen)
{
	if (seen == NULL)
		return;
	mm_buffer_clear(&seen->texts);
	free(seen->places);
	*seen = (struct mm_seen){.places = NULL};
}

static uint64_t
hash_of(const struct mm_seen *seen, struct mm_span text)
{
	uint64_t hash;

	crypto_shorthash(
	    (unsigned char *)&hash, text.data, text.size, seen->key);
	return hash;
}

/* Where the text is, or where it would be put. */
static struct mm_seen_place *
place_of(const struct mm_seen *seen, struct mm_span text, uint64_t hash)
{
	for (size_t i = hash & (seen->room - 1);;
	     i = (i + 1) & (seen->room - 1)) {
		struct mm_seen_place *place = &seen->places[i];

		if (!place->taken ||
		    (place->hash == hash && place->size == text.size &&
			memcmp(seen->texts.data + place->at, text.data,
			    text.size) == 0))
			return place;
	}
}

static enum mm_error
grow(struct mm_seen *seen)
{
	struct mm_seen wider = *seen;

	wider.room = seen->room > 0 ? 2 * seen->room : FIRST_ROOM;
	wider.places = calloc(wider.room, sizeof(*wider.places));
	if (wider.places == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for so many devices");
	for (size_t i = 0; i < seen->room; i++) {
		const struct mm_seen_place *old = &seen->places[i];

		if (old->taken)
			*place_of(&wider,
			    mm_span(seen->texts.data + old->at, old->size),
			    old->hash) = *old;
	}
	free(seen->places);
	*seen = wider;
	return MM_OK;
}

uint64_t *
mm_seen_find(struct mm_seen *seen, struct mm_span text)
{
	struct mm_seen_place *place;

	if (seen->count == 0)
		return NULL;
	place = place_of(seen, text, hash_of(seen, text));
	return place->taken ? &place->number : NULL;
}

enum mm_error
mm_seen_put(struct mm_seen *seen, struct mm_span text, uint64_t number)
{
	struct mm_seen_place *place;
	enum mm_error error = MM_OK;
	uint64_t hash;

	if (seen->room == 0) {
		mm_buffer_init(&seen->texts, TEXTS_MAX);
		crypto_shorthash_keygen(seen->key);
	}
	if (2 * (seen->count + 1) > seen->room)
		error = grow(seen);
	if (error != MM_OK)
		return error;
	hash = hash_of(seen, text);
	place = place_of(seen, text, hash);
	if (!place->taken) {
		size_t at = seen->texts.size;

		mm_buffer_add(&seen->texts, text.data, text.size);
		if (seen->texts.error != MM_OK)
			return mm_fail(
			    MM_E_MEMORY, "no memory for so many devices");
		*place = (struct mm_seen_place){
		    .hash = hash, .at = at, .size = text.size, .taken = true};
		seen->count++;
	}
	place->number = number;
	return MM_OK;
}
