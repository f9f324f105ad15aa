#include "cli/quickstart_keys.h"

#include <string.h>

#include "signer/public_key.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static const struct {
	const char *word;
	uint64_t algorithm; /* as a ceremony's key has it */
} kinds[] = {{"P-256", 0}, {"RSA-3072", MM_ALGORITHM_RSA3072}};

static bool
read_kind(struct mm_span word, uint64_t *out)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (mm_span_is(word, kinds[i].word)) {
			*out = kinds[i].algorithm;
			return true;
		}
	return false;
}

/* One of the list: `size` characters. */
static enum mm_error
read_one(const char *text, size_t size, struct mm_ceremony_key *out)
{
	const char *colon = memchr(text, ':', size);
	size_t name = colon != NULL ? (size_t)(colon - text) : size;

	*out = (struct mm_ceremony_key){
	    .name = mm_span(text, name), .use = MM_KEY_CODE_SIGNING};
	if (name == 0 || name > MM_NAME_MAX || strspn(text, letters) < name)
		return mm_fail(MM_E_USAGE,
		    "--signing-key \"%.*s\": a key's name has 1 to %d of the "
		    "characters a-z A-Z 0-9 . _ -",
		    (int)size, text, MM_NAME_MAX);
	if (colon != NULL &&
	    !read_kind(mm_span(colon + 1, size - name - 1), &out->algorithm))
		return mm_fail(MM_E_USAGE,
		    "--signing-key \"%.*s\": behind the colon stands P-256 or "
		    "RSA-3072",
		    (int)size, text);
	return MM_OK;
}

static enum mm_error
check_new(const struct mm_quickstart_keys *keys, struct mm_span name)
{
	for (size_t i = 0; i < keys->count; i++)
		if (mm_span_equal(keys->items[i].name, name))
			return mm_fail(MM_E_USAGE,
			    "--signing-key names \"%.*s\" twice",
			    MM_SPAN(name));
	if (keys->count == MM_QUICKSTART_KEYS)
		return mm_fail(MM_E_USAGE,
		    "--signing-key names %d keys at most", MM_QUICKSTART_KEYS);
	return MM_OK;
}

enum mm_error
mm_quickstart_keys_read(const char *list, struct mm_quickstart_keys *out)
{
	struct mm_quickstart_keys keys = {.count = 0};

	while (list != NULL) {
		size_t size = strcspn(list, ",");
		struct mm_ceremony_key one;
		enum mm_error error = read_one(list, size, &one);

		if (error == MM_OK)
			error = check_new(&keys, one.name);
		if (error != MM_OK)
			return error;
		keys.items[keys.count++] = one;
		list = list[size] == ',' ? list + size + 1 : NULL;
	}
	*out = keys;
	return MM_OK;
}
