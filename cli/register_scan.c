#include "cli/register_parts.h"

#include <string.h>

#include "ca/certificate.h"
#include "cli/chain.h"

void
mm_register_scan_free(struct mm_register_scan *scan)
{
	if (scan == NULL)
		return;
	if (scan->spool != NULL)
		fclose(scan->spool);
	free(scan->kept.items);
	free(scan->revocations.items);
	free(scan->orders.items);
	free(scan->before.items);
	free(scan->now.items);
	mm_buffer_clear(&scan->certificate);
	free(scan);
}

/* A name that is spelt otherwise is no empty list. */
static enum mm_error
check_order(const struct mm_register_scan *scan)
{
	const char *name = scan->choice.order;

	for (size_t i = 0; name != NULL && i < scan->orders.count; i++)
		if (strcmp(
			mm_kept_at(scan->orders, struct mm_kept_order, i)->name,
			name) == 0)
			return MM_OK;
	return name == NULL ? MM_OK
			    : mm_fail(MM_E_ORDER,
				  "the log has no order \"%s\": `mintmark "
				  "order list` shows those that there are",
				  name);
}

enum mm_error
mm_register_scan_new(struct mm_source *source,
    const struct mm_register_choice *choice, struct mm_register_scan **out)
{
	struct mm_register_scan *scan = calloc(1, sizeof(*scan));
	uint64_t size = mm_source_checkpoint(source)->size;
	enum mm_error error = MM_OK;

	if (scan == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	scan->source = source;
	scan->choice = *choice;
	scan->size = size;
	mm_buffer_init(&scan->certificate, MM_CERTIFICATE_MAX);
	if (choice->since > size)
		error = mm_fail(MM_E_NOT_FOUND,
		    "the log has %llu entries: --since cannot be %llu",
		    (unsigned long long)size,
		    (unsigned long long)choice->since);
	if (error == MM_OK)
		error = mm_register_read(scan);
	if (error == MM_OK)
		error = check_order(scan);
	if (error == MM_OK)
		error = mm_register_states(scan);
	if (error != MM_OK) {
		mm_register_scan_free(scan);
		return error;
	}
	*out = scan;
	return MM_OK;
}

bool
mm_register_inherits(const struct mm_register_scan *scan)
{
	return scan->inherits;
}

static unsigned
change_of(const struct mm_kept *kept)
{
	static const unsigned changes[2][2] = {
	    {0, MM_REGISTER_NEW}, {MM_REGISTER_GONE, MM_REGISTER_KEPT}};

	return kept->kind == MM_KEPT_DEVICE ? changes[kept->before][kept->now]
					    : 0;
}

/* The certificate, held against the key that it names. */
static enum mm_error
read_certificate(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_arena *arena)
{
	struct mm_certificate certificate;
	enum mm_error error;

	mm_buffer_reset(&scan->certificate);
	error = mm_kept_certificate(scan, kept, arena, &scan->certificate);
	if (error == MM_OK)
		error = mm_certificate_open(
		    mm_buffer_span(&scan->certificate), arena, &certificate);
	return error == MM_OK
		   ? mm_certificate_signed(
			 mm_buffer_span(&scan->certificate), &certificate.read)
		   : error;
}

static enum mm_error
make_row(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_register_row *out)
{
	mm_auto(arena) arena = {0};
	struct mm_certificate_entry body;
	struct mm_entry entry;
	struct mm_span signature;
	struct mm_register_row row = {.change = change_of(kept),
	    .reason = kept->reason,
	    .scrapped = kept->scrapped && !kept->revoked,
	    .issuer = kept->issuer,
	    .stays = mm_kept_has_one(&scan->now, kept)};
	enum mm_error error;

	mm_arena_init(&arena, MM_REGISTER_ARENA);
	error = mm_kept_read(scan, kept, &arena, &entry, &signature);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_certificate_entry_shape, entry.body, &arena, &body);
	if (error == MM_OK)
		error = read_certificate(scan, kept, &arena);
	if (error == MM_OK)
		error = mm_registration_read(
		    mm_buffer_span(&scan->certificate), &row.device);
	if (error != MM_OK)
		return mm_fail(error, "entry %llu: %s",
		    (unsigned long long)kept->index, mm_why(error));
	row.device.index = kept->index;
	row.device.known = mm_kept_has_one(&scan->before, kept);
	mm_span_string(
	    body.subject, row.device.device, sizeof(row.device.device));
	*out = row;
	return MM_OK;
}

enum mm_error
mm_register_scan_next(struct mm_register_scan *scan, unsigned changes,
    struct mm_register_row *out, bool *more)
{
	while (scan->at < scan->kept.count) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, scan->at++);

		if ((change_of(kept) & changes) == 0)
			continue;
		*more = true;
		return make_row(scan, kept, out);
	}
	scan->at = 0;
	*more = false;
	return MM_OK;
}
