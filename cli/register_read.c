/*
 * From the log's entries to what is kept of them: certificates and CRLs with
 * their signatures, revocations, names of orders.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "cli/progress.h"
#include "cli/register_parts.h"
#include "cli/row_parts.h"
#include "cli/spool.h"

enum { SUPERSEDED = 4 };

/* --- what is kept --- */

static enum mm_error
no_memory(void)
{
	return mm_fail(MM_E_MEMORY, "no memory for that many devices");
}

static enum mm_error
spool(struct mm_register_scan *scan, struct mm_span bytes, uint64_t *at)
{
	off_t end;

	if (fseeko(scan->spool, 0, SEEK_END) != 0 ||
	    (end = ftello(scan->spool)) < 0 ||
	    fwrite(bytes.data, 1, bytes.size, scan->spool) != bytes.size)
		return mm_spool_fault();
	*at = (uint64_t)end;
	return MM_OK;
}

static enum mm_error
unspool(struct mm_register_scan *scan, uint64_t at, size_t size,
    struct mm_arena *arena, struct mm_span *out)
{
	uint8_t *bytes = mm_arena_alloc(arena, size);

	if (bytes == NULL)
		return no_memory();
	if (fseeko(scan->spool, (off_t)at, SEEK_SET) != 0 ||
	    fread(bytes, 1, size, scan->spool) != size)
		return mm_spool_fault();
	*out = mm_span(bytes, size);
	return MM_OK;
}

enum mm_error
mm_kept_read(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_arena *arena, struct mm_entry *entry, struct mm_span *signature)
{
	struct mm_span bytes;
	enum mm_error error =
	    unspool(scan, kept->entry_at, kept->entry_size, arena, &bytes);

	*signature = mm_span(NULL, 0);
	if (error == MM_OK && kept->signature_size > 0)
		error = unspool(scan, kept->signature_at, kept->signature_size,
		    arena, signature);
	return error == MM_OK ? mm_entry_decode(bytes, arena, entry) : error;
}

enum mm_error
mm_kept_certificate(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_arena *arena, struct mm_buffer *out)
{
	struct mm_certificate_entry body;
	struct mm_import_entry import;
	struct mm_entry entry;
	struct mm_span signature;
	enum mm_error error =
	    mm_kept_read(scan, kept, arena, &entry, &signature);

	if (error != MM_OK)
		return error;
	if (kept->kind == MM_KEPT_IMPORT) {
		error = mm_shape_decode(
		    &mm_import_entry_shape, entry.body, arena, &import);
		if (error == MM_OK)
			mm_buffer_add(out, import.certificate.data,
			    import.certificate.size);
		return error == MM_OK ? out->error : error;
	}
	error = mm_shape_decode(
	    &mm_certificate_entry_shape, entry.body, arena, &body);
	return error == MM_OK
		   ? mm_certificate_assemble(body.tbs, signature, out)
		   : error;
}

/* --- entries --- */

struct reading {
	struct mm_register_scan *scan;
	uint64_t index;
	struct mm_span bytes; /* the whole entry */
	const struct mm_entry *entry;
	struct mm_arena *arena;
};

static enum mm_error
keep(struct reading *r, enum mm_register_kind kind, struct mm_kept **out)
{
	struct mm_kept *kept =
	    mm_kept_add(&r->scan->kept, sizeof(struct mm_kept));

	if (kept == NULL)
		return no_memory();
	kept->index = r->index;
	kept->kind = (uint8_t)kind;
	kept->signed_at = kind == MM_KEPT_IMPORT ? r->index : UINT64_MAX;
	kept->entry_size = (uint32_t)r->bytes.size;
	*out = kept;
	return spool(r->scan, r->bytes, &kept->entry_at);
}

static enum mm_error
issuer_number(struct mm_register_scan *scan, struct mm_span name, uint8_t *out)
{
	size_t i = 0;

	while (i < scan->issuer_count && !mm_span_is(name, scan->issuers[i]))
		i++;
	if (i == MM_ISSUERS)
		return mm_fail(
		    MM_E_RANGE, "more than %d CAs have issued", MM_ISSUERS);
	if (i == scan->issuer_count)
		mm_span_string(name, scan->issuers[scan->issuer_count++],
		    sizeof(scan->issuers[0]));
	*out = (uint8_t)i;
	return MM_OK;
}

static int
compare_orders(const void *a, const void *b)
{
	const struct mm_kept_order *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

static const struct mm_kept_order *
find_order(const struct mm_register_scan *scan, uint64_t basis)
{
	const struct mm_kept_order key = {.index = basis};

	return scan->orders.count == 0
		   ? NULL
		   : bsearch(&key, scan->orders.items, scan->orders.count,
			 sizeof(key), compare_orders);
}

static bool
is_chosen(const struct mm_register_choice *choice,
    const struct mm_certificate_entry *body, const struct mm_kept_order *order)
{
	return (choice->profile == NULL ||
		   mm_span_is(body->profile, choice->profile)) &&
	       (choice->order == NULL ||
		   strcmp(order->name, choice->order) == 0);
}

static void
fold(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static enum mm_error
hash_who(const struct reading *r, const struct mm_certificate_entry *body,
    uint8_t out[MM_DEVICE_HASH])
{
	enum mm_register_by by = r->scan->choice.by;
	struct mm_span who = body->subject;
	struct mm_registration read;
	enum mm_error error = MM_OK;

	if (by != MM_REGISTER_BY_DEVICE) {
		error = mm_registration_read_tbs(body->tbs, &read);
		if (error != MM_OK)
			return error;
		if (by == MM_REGISTER_BY_NAME_FOLDED)
			fold(read.name);
		who = mm_span_text(read.name);
	}
	crypto_generichash(out, MM_DEVICE_HASH, who.data, who.size, NULL, 0);
	return error;
}

static enum mm_error
keep_device(struct reading *r, const struct mm_certificate_entry *body)
{
	struct mm_kept *kept = NULL;
	enum mm_error error = keep(r, MM_KEPT_DEVICE, &kept);

	if (error == MM_OK)
		error = issuer_number(r->scan, body->issuer, &kept->issuer);
	if (error == MM_OK)
		error = mm_serial_of_tbs(body->tbs, kept->serial);
	if (error == MM_OK)
		error = hash_who(r, body, kept->who);
	if (error == MM_OK)
		kept->replaces = body->replaces.count > 0;
	return error;
}

static enum mm_error
on_certificate(struct reading *r, const void *item)
{
	const struct mm_certificate_entry *body = item;
	const struct mm_kept_order *order = find_order(r->scan, body->basis);
	struct mm_kept *kept = NULL;

	if (order == NULL)
		return keep(r, MM_KEPT_AUTHORITY, &kept);
	return is_chosen(&r->scan->choice, body, order) ? keep_device(r, body)
							: MM_OK;
}

static enum mm_error
on_import(struct reading *r, const void *item)
{
	struct mm_kept *kept = NULL;

	(void)item;
	return keep(r, MM_KEPT_IMPORT, &kept);
}

static enum mm_error
on_crl(struct reading *r, const void *item)
{
	const struct mm_crl_entry *body = item;
	struct mm_kept *kept = NULL;
	enum mm_error error = keep(r, MM_KEPT_CRL, &kept);

	return error == MM_OK
		   ? issuer_number(r->scan, body->issuer, &kept->issuer)
		   : error;
}

static enum mm_error
on_inherited(struct reading *r, const void *item)
{
	const struct mm_inherited_entry *body = item;

	r->scan->inherits = body->count > 0;
	return MM_OK;
}

static enum mm_error
on_order(struct reading *r, const void *item)
{
	struct mm_kept_order *order =
	    mm_kept_add(&r->scan->orders, sizeof(struct mm_kept_order));

	(void)item;
	if (order == NULL)
		return no_memory();
	order->index = r->index;
	mm_order_name(r->entry, r->arena, order->name);
	return MM_OK;
}

static enum mm_error
add_revocation(
    struct reading *r, struct mm_span serial, uint64_t reason, bool replaced)
{
	struct mm_kept_revocation *one = mm_kept_add(
	    &r->scan->revocations, sizeof(struct mm_kept_revocation));

	if (one == NULL)
		return no_memory();
	one->reason = (uint8_t)reason;
	one->replaced = replaced;
	one->at = r->index;
	memcpy(one->serial + MM_SERIAL_SIZE - serial.size, serial.data,
	    serial.size);
	return MM_OK;
}

static enum mm_error
on_revocation(struct reading *r, const void *item)
{
	const struct mm_statement_entry *body = item;
	struct mm_revoke_claim claim;
	enum mm_error error = MM_OK;

	if (!mm_statement_body(
		&body->statements, MM_STATEMENT_REVOKE, r->arena, &claim))
		return MM_OK;
	for (mm_list_each(const struct mm_revoked, one, claim.revoked))
		if (error == MM_OK)
			error =
			    add_revocation(r, one->serial, one->reason, false);
	return error;
}

static enum mm_error
on_scrap(struct reading *r, const void *item)
{
	const struct mm_scrap_entry *body = item;

	return add_revocation(r, body->serial, MM_KEPT_SCRAP, false);
}

/* What a certificate replaces is superseded when it is signed. */
static enum mm_error
supersede(struct reading *r, const struct mm_kept *kept)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	struct mm_span signature;
	enum mm_error error =
	    mm_kept_read(r->scan, kept, r->arena, &entry, &signature);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_certificate_entry_shape, entry.body, r->arena, &body);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_replaced, one, body.replaces))
		if (error == MM_OK)
			error =
			    add_revocation(r, one->serial, SUPERSEDED, true);
	return error;
}

static int
compare_kept(const void *a, const void *b)
{
	const struct mm_kept *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

static enum mm_error
sign(struct reading *r, const struct mm_signature *item)
{
	const struct mm_kept key = {.index = item->index};
	struct mm_kept *kept = NULL;
	enum mm_error error;

	if (r->scan->kept.count > 0)
		kept = bsearch(&key, r->scan->kept.items, r->scan->kept.count,
		    sizeof(key), compare_kept);
	if (kept == NULL || kept->signed_at != UINT64_MAX)
		return MM_OK;
	kept->signature_size = (uint32_t)item->signature.size;
	error = spool(r->scan, item->signature, &kept->signature_at);
	if (error != MM_OK)
		return error;
	kept->signed_at = r->index;
	return kept->replaces ? supersede(r, kept) : MM_OK;
}

static enum mm_error
on_signatures(struct reading *r, const void *item)
{
	const struct mm_signatures_entry *body = item;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_signature, one, body->signatures))
		if (error == MM_OK)
			error = sign(r, one);
	return error;
}

static enum mm_error
read_entry(struct mm_register_scan *scan, uint64_t index, struct mm_span bytes)
{
	static enum mm_error (*const on[MM_ENTRY_KINDS])(struct reading *,
	    const void *) = {[MM_ENTRY_CERTIFICATE] = on_certificate,
	    [MM_ENTRY_IMPORT] = on_import,
	    [MM_ENTRY_CRL] = on_crl,
	    [MM_ENTRY_ORDER] = on_order,
	    [MM_ENTRY_INHERITED] = on_inherited,
	    [MM_ENTRY_REVOCATION] = on_revocation,
	    [MM_ENTRY_SCRAP] = on_scrap,
	    [MM_ENTRY_SIGNATURES] = on_signatures};
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	struct reading r = {scan, index, bytes, &entry, &arena};
	const struct mm_shape *shape;
	void *body;
	enum mm_error error;

	mm_arena_init(&arena, MM_REGISTER_ARENA);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error == MM_OK && on[entry.kind] == NULL)
		return MM_OK;
	if (error == MM_OK) {
		shape = mm_entry_body_shape(entry.kind);
		body = mm_arena_alloc(&arena, shape->size);
		error = body == NULL
			    ? no_memory()
			    : mm_shape_decode(shape, entry.body, &arena, body);
	}
	if (error == MM_OK)
		error = on[entry.kind](&r, body);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "entry %llu: %s",
				    (unsigned long long)index, mm_why(error));
}

enum mm_error
mm_register_read(struct mm_register_scan *scan)
{
	struct mm_progress progress;
	enum mm_error error = MM_OK;

	scan->spool = mm_spool_open();
	if (scan->spool == NULL)
		return mm_spool_fault();
	mm_progress_begin(&progress, "entries");
	for (uint64_t i = 0; i < scan->size && error == MM_OK; i++) {
		struct mm_span entry;

		error = mm_source_entry(scan->source, i, &entry);
		if (error == MM_OK)
			error = read_entry(scan, i, entry);
		mm_progress_tell(&progress, i + 1, scan->size);
	}
	mm_progress_end(&progress);
	return error == MM_OK ? mm_source_settle(scan->source) : error;
}
