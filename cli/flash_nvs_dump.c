#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/flash_nvs.h"
#include "cli/json_value.h"
#include "protocol/shape.h"
#include "protocol/text.h"

enum { SHOWN = 24 /* bytes of a blob, to people */ };

/* --- as JSON --- */

/* The numbers of JSON end at 2^63 - 1 here: a greater one is text, lest a
 * reader rounds it. */
static json_t *
unsigned_json(uint64_t number)
{
	char digits[24];

	if (number <= INT64_MAX)
		return mm_json_number(number);
	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	return json_string(digits);
}

static json_t *
value_json(const struct mm_nvs_item *item)
{
	if (item->type == MM_NVS_STRING)
		return mm_json_lines(item->bytes);
	if (item->type == MM_NVS_BLOB)
		return mm_json_hex(item->bytes);
	return mm_nvs_is_signed(item->type)
		   ? json_integer((json_int_t)item->number)
		   : unsigned_json(item->number);
}

static json_t *
namespace_json(const struct mm_nvs_item *item)
{
	return item->namespace_name.data != NULL
		   ? mm_json_text(item->namespace_name)
		   : json_integer(item->namespace_index);
}

static void
add_items(
    const struct mm_nvs_contents *contents, json_t *namespaces, json_t *entries)
{
	for (mm_list_each(const struct mm_nvs_item, item, contents->items)) {
		if (item->namespace_index == 0) {
			json_array_append_new(
			    namespaces, json_pack("{s:I, s:o}", "index",
					    (json_int_t)item->number, "name",
					    mm_json_text(item->key)));
			continue;
		}
		json_array_append_new(entries,
		    json_pack("{s:o, s:o, s:s, s:o, s:I, s:I}", "namespace",
			namespace_json(item), "key", mm_json_text(item->key),
			"type", mm_nvs_type_name(item->type), "value",
			value_json(item), "page", (json_int_t)item->page,
			"entry", (json_int_t)item->entry));
	}
}

static json_t *
pages_json(const struct mm_nvs_contents *contents)
{
	json_t *pages = json_array();
	json_int_t number = 0;

	for (mm_list_each(const struct mm_nvs_page, page, contents->pages))
		json_array_append_new(pages,
		    json_pack("{s:I, s:s, s:I, s:I, s:I, s:I}", "page",
			number++, "state", mm_nvs_state_name(page->state),
			"sequence", (json_int_t)page->sequence, "version",
			(json_int_t)page->version, "written",
			(json_int_t)page->written, "erased",
			(json_int_t)page->erased));
	return pages;
}

static json_t *
damage_json(const struct mm_nvs_contents *contents)
{
	json_t *list = json_array();

	for (mm_list_each(const struct mm_nvs_damage, one, contents->damage))
		json_array_append_new(
		    list, json_pack("{s:I, s:o, s:s}", "page",
			      (json_int_t)one->page, "entry",
			      one->entry < MM_NVS_ENTRIES
				  ? json_integer((json_int_t)one->entry)
				  : json_null(),
			      "what", one->what));
	return list;
}

static unsigned
version_of(const struct mm_nvs_contents *contents)
{
	for (mm_list_each(const struct mm_nvs_page, page, contents->pages))
		if (page->version != 0)
			return page->version;
	return 0;
}

static void
print_json(const struct mm_invocation *invocation, size_t size,
    const struct mm_nvs_contents *contents)
{
	json_t *namespaces = json_array(), *entries = json_array();

	add_items(contents, namespaces, entries);
	mm_print(invocation,
	    json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "file",
		mm_json_text(mm_span_text(invocation->operands[0])), "size",
		(json_int_t)size, "version", (json_int_t)version_of(contents),
		"pages", pages_json(contents), "namespaces", namespaces,
		"entries", entries, "damage", damage_json(contents)));
}

/* --- for people --- */

static void
print_text(struct mm_span text)
{
	char clean[4 * MM_NVS_PAGE];

	mm_text_clean(text, clean, sizeof(clean));
	fputs(clean, stdout);
	sodium_memzero(clean, sizeof(clean));
}

static void
print_blob(struct mm_span bytes)
{
	printf("%zu bytes ", bytes.size);
	for (size_t i = 0; i < bytes.size && i < SHOWN; i++)
		printf("%02x", bytes.data[i]);
	if (bytes.size > SHOWN)
		fputs("...", stdout);
}

static void
print_item(const struct mm_nvs_item *item)
{
	if (item->namespace_index == 0)
		return;
	print_text(item->namespace_name.data != NULL ? item->namespace_name
						     : mm_span_text("?"));
	putchar('\t');
	print_text(item->key);
	printf("\t%s\t", mm_nvs_type_name(item->type));
	if (item->type == MM_NVS_STRING)
		print_text(item->bytes);
	else if (item->type == MM_NVS_BLOB)
		print_blob(item->bytes);
	else if (mm_nvs_is_signed(item->type))
		printf("%lld", (long long)item->number);
	else
		printf("%llu", (unsigned long long)item->number);
	putchar('\n');
}

static void
say_damage(const struct mm_nvs_damage *damage)
{
	if (damage->entry < MM_NVS_ENTRIES)
		mm_say("page %zu entry %zu: %s", damage->page, damage->entry,
		    damage->what);
	else
		mm_say("page %zu: %s", damage->page, damage->what);
}

static void
print(const struct mm_invocation *invocation, size_t size,
    const struct mm_nvs_contents *contents)
{
	if (invocation->json) {
		print_json(invocation, size, contents);
		return;
	}
	for (mm_list_each(const struct mm_nvs_item, item, contents->items))
		print_item(item);
	for (mm_list_each(const struct mm_nvs_damage, one, contents->damage))
		say_damage(one);
}

static enum mm_error
dump(const struct mm_invocation *invocation, struct mm_span image,
    const uint8_t *key)
{
	const char *path = invocation->operands[0];
	mm_auto(nvs_contents) contents = {0};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, mm_nvs_arena(image.size));
	error = mm_nvs_read(image, key, &arena, &contents);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	print(invocation, image.size, &contents);
	if (contents.damage.count > 0)
		return mm_fail(MM_E_FORMAT, "%s is damaged in %zu places", path,
		    contents.damage.count);
	return MM_OK;
}

enum mm_error
mm_flash_nvs_dump(const struct mm_invocation *invocation)
{
	mm_auto(flash_nvs_file) file = {0};
	uint8_t *key = NULL;
	enum mm_error error;

	if (invocation->operand_count != 1)
		return mm_fail(MM_E_USAGE, "say --dump IMAGE");
	error = mm_flash_nvs_key(invocation, &key);
	if (error == MM_OK)
		error = mm_flash_nvs_open(
		    invocation->operands[0], MM_NVS_SIZE_MAX, &file);
	if (error == MM_OK)
		error = dump(invocation, mm_buffer_span(&file.text), key);
	sodium_free(key);
	return error;
}
