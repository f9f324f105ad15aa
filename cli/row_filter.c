/*
 * Which rows: the filters of the command line, and the same as text.
 */
#include <sodium.h>
#include <string.h>

#include "ca/serial.h"
#include "cli/row.h"
#include "cli/values.h"

enum { ARENA = 8192, FILTER_MAX = 512 };

static enum mm_error
unknown_kind(struct mm_span word)
{
	mm_auto(buffer) known = {0};

	mm_buffer_init(&known, 512);
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++)
		if ((MM_ROW_KINDS >> kind & 1) != 0)
			mm_buffer_printf(
			    &known, " %s", mm_entry_kind_name(kind));
	return mm_fail(MM_E_USAGE, "--kind is one or more of%.*s, not \"%.*s\"",
	    (int)known.size, (const char *)known.data, MM_SPAN(word));
}

static enum mm_error
read_kinds(const struct mm_invocation *invocation, struct mm_row_filter *out)
{
	mm_auto(arena) arena = {0};
	struct mm_list words;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_value_words(invocation, "kind", &arena, &words);
	if (error != MM_OK || words.count == 0)
		return error;
	out->kinds = 0;
	for (mm_list_each(const struct mm_text_item, word, words)) {
		uint64_t kind = 0;

		while (kind < MM_ENTRY_KINDS &&
		       ((MM_ROW_KINDS >> kind & 1) == 0 ||
			   !mm_span_is(word->value, mm_entry_kind_name(kind))))
			kind++;
		if (kind == MM_ENTRY_KINDS)
			return unknown_kind(word->value);
		out->kinds |= UINT64_C(1) << kind;
	}
	return MM_OK;
}

/* Ours have 20 bytes; a shorter one has lost its zeros in front. */
static enum mm_error
read_serial(const struct mm_invocation *invocation, struct mm_row_filter *out)
{
	uint8_t whole[MM_SERIAL_SIZE] = {0};
	mm_auto(arena) arena = {0};
	struct mm_span serial;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error =
	    mm_value_hex(invocation, "serial", MM_SERIAL_SIZE, &arena, &serial);
	if (error != MM_OK || serial.size == 0)
		return error;
	memcpy(whole + MM_SERIAL_SIZE - serial.size, serial.data, serial.size);
	sodium_bin2hex(out->serial, sizeof(out->serial), whole, sizeof(whole));
	return MM_OK;
}

enum mm_error
mm_row_filter_read(const struct mm_invocation *invocation, uint64_t kinds,
    struct mm_row_filter *out)
{
	static const char *const names[] = {
	    "device", "station", "order", "product"};
	enum mm_error error;

	*out = (struct mm_row_filter){.kinds = kinds,
	    .device = mm_option(invocation, "device"),
	    .station = mm_option(invocation, "station"),
	    .order = mm_option(invocation, "order"),
	    .product = mm_option(invocation, "product"),
	    .refused = mm_option(invocation, "refused") != NULL,
	    .revoked = mm_option(invocation, "revoked") != NULL};
	if (out->refused && out->revoked)
		return mm_fail(
		    MM_E_USAGE, "what was refused cannot be revoked");
	error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = read_kinds(invocation, out);
	return error == MM_OK ? read_serial(invocation, out) : error;
}

static void
add_word(struct mm_buffer *out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	mm_buffer_printf(
	    out, "%s--%s %s", out->size > 0 ? " " : "", name, value);
}

static void
add_flag(struct mm_buffer *out, const char *name, bool set)
{
	if (set)
		mm_buffer_printf(out, "%s--%s", out->size > 0 ? " " : "", name);
}

static void
add_kinds(struct mm_buffer *out, uint64_t kinds)
{
	const char *before = out->size > 0 ? " --kind " : "--kind ";

	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		if ((kinds >> kind & 1) == 0)
			continue;
		mm_buffer_printf(out, "%s%s", before, mm_entry_kind_name(kind));
		before = ",";
	}
}

enum mm_error
mm_row_filter_text(
    const struct mm_row_filter *filter, uint64_t kinds, struct mm_buffer *out)
{
	mm_buffer_init(out, FILTER_MAX);
	add_word(out, "device", filter->device);
	add_word(out, "serial", filter->serial);
	add_word(out, "station", filter->station);
	add_word(out, "order", filter->order);
	if (filter->kinds != kinds)
		add_kinds(out, filter->kinds);
	add_flag(out, "refused", filter->refused);
	add_flag(out, "revoked", filter->revoked);
	add_word(out, "product", filter->product);
	return out->error;
}

static bool
is(const char *wanted, const char *text)
{
	return wanted == NULL || strcmp(wanted, text) == 0;
}

static bool
is_device(const char *device, const struct mm_row *row)
{
	return device == NULL ||
	       ((row->kind == MM_ENTRY_CERTIFICATE ||
		    row->kind == MM_ENTRY_PARTITION ||
		    row->kind == MM_ENTRY_SCRAP ||
		    row->kind == MM_ENTRY_REFUSAL) &&
		   row->product[0] == '\0' && strcmp(device, row->what) == 0);
}

bool
mm_row_matches(const struct mm_row *row, const struct mm_row_filter *filter)
{
	return (filter->kinds >> row->kind & 1) != 0 &&
	       is_device(filter->device, row) &&
	       is(filter->product, row->product) &&
	       is(filter->station, row->station) &&
	       is(filter->order, row->order) &&
	       (filter->serial[0] == '\0' ||
		   strcmp(filter->serial, row->serial) == 0) &&
	       (!filter->refused || row->state == MM_ROW_REFUSED) &&
	       (!filter->revoked || row->kind == MM_ENTRY_CERTIFICATE);
}

bool
mm_row_state_matches(
    const struct mm_row *row, const struct mm_row_filter *filter)
{
	return !filter->revoked || row->state == MM_ROW_REVOKED;
}
