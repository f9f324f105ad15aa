#include <string.h>

#include "factory/nvs_parts.h"
#include "signer/crc.h"
#include "signer/numbers.h"

/* What an entry's head says; data is put there after it. */
struct head {
	unsigned namespace_index, type, span, chunk;
	struct mm_span key;
};

/* --- entries --- */

static uint8_t *
entry_at(const struct mm_nvs *nvs, size_t entry)
{
	return nvs_page_at(nvs, nvs->page) + MM_NVS_FIRST +
	       entry * MM_NVS_ENTRY;
}

static void
take_entries(struct mm_nvs *nvs, size_t count)
{
	uint8_t *bitmap = nvs_page_at(nvs, nvs->page) + NVS_BITMAP;

	for (; count > 0; count--, nvs->entry++)
		bitmap[nvs->entry / 4] &=
		    (uint8_t) ~(1U << 2 * (nvs->entry % 4));
}

/* The entry at hand without its data, and where that goes. */
static uint8_t *
put_head(struct mm_nvs *nvs, const struct head *head)
{
	uint8_t *entry = entry_at(nvs, nvs->entry);

	entry[0] = (uint8_t)head->namespace_index;
	entry[NVS_TYPE] = (uint8_t)head->type;
	entry[NVS_SPAN] = (uint8_t)head->span;
	entry[NVS_CHUNK] = (uint8_t)head->chunk;
	memset(entry + NVS_NAME, 0, NVS_NAME_SIZE);
	memcpy(entry + NVS_NAME, head->key.data, head->key.size);
	return entry + NVS_DATA;
}

static void
seal_head(struct mm_nvs *nvs, size_t span)
{
	uint8_t *entry = entry_at(nvs, nvs->entry);

	mm_little_put(mm_nvs_entry_crc(entry), 4, entry + NVS_ENTRY_CRC);
	take_entries(nvs, span);
}

/* A head and its bytes behind it, in this page; with a NUL, if `ended`. */
static void
put_bytes(
    struct mm_nvs *nvs, struct head *head, struct mm_span bytes, bool ended)
{
	uint8_t *at = entry_at(nvs, nvs->entry + 1), *data;
	size_t size = bytes.size + (ended ? 1 : 0);

	head->span = (unsigned)(1 + nvs_entries_of(size));
	data = put_head(nvs, head);
	if (bytes.size > 0)
		memcpy(at, bytes.data, bytes.size);
	if (ended)
		at[bytes.size] = '\0';
	mm_little_put(size, 2, data);
	mm_little_put(mm_crc_esp(mm_span(at, size)), 4, data + 4);
	seal_head(nvs, head->span);
}

/* --- names --- */

static enum mm_error
check_name(const char *what, struct mm_span name)
{
	bool edges = name.size > 0 && name.data[0] != ' ' &&
		     name.data[name.size - 1] != ' ';

	if (name.size > MM_NVS_NAME)
		return mm_fail(MM_E_RANGE,
		    "the %s \"%.*s\" has %zu characters; %d are the limit",
		    what, name.size > 64 ? 64 : (int)name.size,
		    (const char *)name.data, name.size, MM_NVS_NAME);
	for (size_t i = 0; i < name.size; i++)
		edges = edges && name.data[i] >= ' ' && name.data[i] < 0x7f;
	if (!edges)
		return mm_fail(MM_E_FORMAT,
		    "the %s \"%.*s\" is not of 1 to %d printable ASCII "
		    "characters, with no blank before or behind them",
		    what, MM_SPAN(name), MM_NVS_NAME);
	return MM_OK;
}

static bool
is_named(const uint8_t *entry, unsigned namespace_index, struct mm_span name)
{
	return entry[0] == namespace_index &&
	       memcmp(entry + NVS_NAME, name.data, name.size) == 0 &&
	       entry[NVS_NAME + name.size] == '\0';
}

/* The slot of a name: its entry, or an empty one. */
static uint32_t *
find_name(struct mm_nvs *nvs, unsigned namespace_index, struct mm_span name)
{
	/* FNV-1a; there is always an empty slot. */
	uint32_t hash = (2166136261U ^ namespace_index) * 16777619U;
	size_t slot;

	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ name.data[i]) * 16777619U;
	slot = hash & (nvs->slots - 1);
	while (
	    nvs->known[slot] != 0 &&
	    !is_named(nvs->image + nvs->known[slot] - 1, namespace_index, name))
		slot = (slot + 1) & (nvs->slots - 1);
	return &nvs->known[slot];
}

static void
know(struct mm_nvs *nvs, uint32_t *slot)
{
	*slot = (uint32_t)(entry_at(nvs, nvs->entry) - nvs->image) + 1;
}

/* A key of the namespace at hand, and where it will be known. */
static enum mm_error
check_key(struct mm_nvs *nvs, struct mm_span key, uint32_t **slot)
{
	enum mm_error error = check_name("key", key);

	if (error != MM_OK)
		return error;
	if (nvs->namespaces == 0)
		return mm_fail(MM_E_FORMAT,
		    "the key \"%.*s\" stands before the first namespace: put "
		    "a namespace's row above it",
		    MM_SPAN(key));
	*slot = find_name(nvs, (unsigned)nvs->namespaces, key);
	if (**slot != 0)
		return mm_fail(MM_E_FORMAT,
		    "the key \"%.*s\" is in this namespace already: remove "
		    "or rename one of them",
		    MM_SPAN(key));
	return MM_OK;
}

/* --- what is added --- */

static enum mm_error
add_number(
    struct mm_nvs *nvs, const struct head *head, uint64_t value, uint32_t *slot)
{
	enum mm_error error =
	    nvs->entry == MM_NVS_ENTRIES ? mm_nvs_next_page(nvs) : MM_OK;

	if (error != MM_OK)
		return error;
	know(nvs, slot);
	mm_little_put(value, head->type & 0xf, put_head(nvs, head));
	seal_head(nvs, 1);
	return MM_OK;
}

/* What is in one page whole. The generator never uses a page's last entry for
 * it. */
static enum mm_error
add_whole(struct mm_nvs *nvs, struct head *head, struct mm_span bytes,
    bool ended, uint32_t *slot)
{
	size_t span = 1 + nvs_entries_of(bytes.size + (ended ? 1 : 0));
	enum mm_error error =
	    nvs->entry + span >= MM_NVS_ENTRIES ? mm_nvs_next_page(nvs) : MM_OK;

	if (error != MM_OK)
		return error;
	know(nvs, slot);
	put_bytes(nvs, head, bytes, ended);
	return MM_OK;
}

static enum mm_error
add_index(struct mm_nvs *nvs, struct head *head, size_t size, unsigned chunks)
{
	uint8_t *data;

	head->type = MM_NVS_BLOB_INDEX;
	head->span = 1;
	head->chunk = NVS_NO_CHUNK;
	data = put_head(nvs, head);
	mm_little_put(size, 4, data);
	data[4] = (uint8_t)chunks;
	data[5] = 0;
	seal_head(nvs, 1);
	return MM_OK;
}

/* Chunks as they fit, an empty one where only a page's last entry is left: at
 * most 128 of them, as the device numbers its own next ones from 0x80. */
static enum mm_error
add_chunks(
    struct mm_nvs *nvs, struct head *head, struct mm_span bytes, uint32_t *slot)
{
	enum mm_error error =
	    nvs->entry == MM_NVS_ENTRIES ? mm_nvs_next_page(nvs) : MM_OK;
	struct mm_span left = bytes;
	unsigned chunks = 0;

	if (error != MM_OK)
		return error;
	know(nvs, slot);
	do {
		size_t room = (MM_NVS_ENTRIES - nvs->entry - 1) * MM_NVS_ENTRY;
		size_t size = left.size < room ? left.size : room;

		head->chunk = chunks++;
		put_bytes(nvs, head, mm_span(left.data, size), false);
		if (size > 0)
			left = mm_span(left.data + size, left.size - size);
		if (left.size > 0 || nvs->entry == MM_NVS_ENTRIES)
			error = mm_nvs_next_page(nvs);
	} while (error == MM_OK && left.size > 0);
	return error == MM_OK ? add_index(nvs, head, bytes.size, chunks)
			      : error;
}

static enum mm_error
check_size(struct mm_span key, const char *what, size_t size, size_t max)
{
	if (size <= max)
		return MM_OK;
	return mm_fail(MM_E_RANGE,
	    "the %s \"%.*s\" has %zu bytes; %zu are the limit", what,
	    MM_SPAN(key), size, max);
}

static enum mm_error
add_namespace(struct mm_nvs *nvs, struct mm_span name)
{
	const struct head head = {0, MM_NVS_U8, 1, NVS_NO_CHUNK, name};
	enum mm_error error = check_name("namespace", name);
	uint32_t *slot;

	if (error != MM_OK)
		return error;
	slot = find_name(nvs, 0, name);
	if (*slot != 0)
		return mm_fail(MM_E_FORMAT,
		    "the namespace \"%.*s\" is there already: put all of its "
		    "keys below its first row",
		    MM_SPAN(name));
	if (nvs->namespaces == MM_NVS_NAMESPACES)
		return mm_fail(MM_E_RANGE, "there are more than %d namespaces",
		    MM_NVS_NAMESPACES);
	error = add_number(nvs, &head, nvs->namespaces + 1, slot);
	if (error == MM_OK)
		nvs->namespaces++;
	return error;
}

static enum mm_error
add_string(
    struct mm_nvs *nvs, struct head *head, struct mm_span text, uint32_t *slot)
{
	enum mm_error error = check_size(head->key, "string", text.size + 1,
	    nvs->version == 1 ? MM_NVS_V1_MAX : MM_NVS_STRING_MAX);

	if (error == MM_OK && text.size > 0 &&
	    memchr(text.data, '\0', text.size) != NULL)
		return mm_fail(MM_E_FORMAT,
		    "the string \"%.*s\" has a NUL in it, where the device "
		    "would end it: say binary",
		    MM_SPAN(head->key));
	return error == MM_OK ? add_whole(nvs, head, text, true, slot) : error;
}

static enum mm_error
add_blob(
    struct mm_nvs *nvs, struct head *head, struct mm_span bytes, uint32_t *slot)
{
	enum mm_error error = check_size(head->key, "blob", bytes.size,
	    nvs->version == 1 ? MM_NVS_V1_MAX : MM_NVS_BLOB_MAX);

	if (error != MM_OK)
		return error;
	head->type = nvs->version == 1 ? MM_NVS_BLOB : MM_NVS_BLOB_DATA;
	return nvs->version == 1 ? add_whole(nvs, head, bytes, false, slot)
				 : add_chunks(nvs, head, bytes, slot);
}

/* The first error stays. */
static enum mm_error
keep(struct mm_nvs *nvs, enum mm_error error)
{
	if (nvs->error == MM_OK)
		nvs->error = error;
	return error;
}

enum mm_error
mm_nvs_namespace(struct mm_nvs *nvs, struct mm_span name)
{
	return nvs->error != MM_OK ? nvs->error
				   : keep(nvs, add_namespace(nvs, name));
}

static enum mm_error
add_value(struct mm_nvs *nvs, struct mm_span key, unsigned type,
    uint64_t number, struct mm_span bytes)
{
	struct head head = {
	    (unsigned)nvs->namespaces, type, 1, NVS_NO_CHUNK, key};
	enum mm_error error;
	uint32_t *slot = NULL;

	if (nvs->error != MM_OK)
		return nvs->error;
	error = check_key(nvs, key, &slot);
	if (error == MM_OK)
		error = mm_nvs_is_number(type)
			    ? add_number(nvs, &head, number, slot)
			: type == MM_NVS_STRING
			    ? add_string(nvs, &head, bytes, slot)
			    : add_blob(nvs, &head, bytes, slot);
	nvs->keys += error == MM_OK;
	return keep(nvs, error);
}

enum mm_error
mm_nvs_number(struct mm_nvs *nvs, struct mm_span key, enum mm_nvs_type type,
    uint64_t value)
{
	return add_value(nvs, key, type, value, mm_span(NULL, 0));
}

enum mm_error
mm_nvs_string(struct mm_nvs *nvs, struct mm_span key, struct mm_span text)
{
	return add_value(nvs, key, MM_NVS_STRING, 0, text);
}

enum mm_error
mm_nvs_blob(struct mm_nvs *nvs, struct mm_span key, struct mm_span bytes)
{
	return add_value(nvs, key, MM_NVS_BLOB, 0, bytes);
}
