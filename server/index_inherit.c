/*
 * What a predecessor left (log/inheritance.h): devices that have a certificate,
 * keys and serials that are used, versions that are released. The entries say
 * which blobs; the blobs' things come in pieces.
 */
#include "server/index_parts.h"

#include "log/inheritance.h"

enum mm_error
mm_fold_inherited(const struct mm_fold *f)
{
	const struct mm_inherited_entry *body = f->body;

	if (body->things_size == 0)
		return MM_OK;
	return MM_SQL_CHANGE(
	    f->index, MM_SQL_INHERITANCE_PUT, "uu", f->idx, body->things_size);
}

static uint64_t
live_of(const struct mm_inherited *thing)
{
	if (thing->revoked == 0)
		return MM_LIVE_DEVICE;
	return thing->revoked == 1 + MM_CRL_HOLD ? MM_LIVE_HELD
						 : MM_LIVE_REVOKED;
}

static enum mm_error
put_certificate(
    struct mm_index *index, uint64_t idx, const struct mm_inherited *thing)
{
	uint64_t live = live_of(thing);
	enum mm_error error = MM_SQL_CHANGE(index, MM_SQL_ISSUED_INHERIT,
	    "utttubbtuuu", (uint64_t)MM_ENTRY_CERTIFICATE, thing->profile,
	    thing->subject, thing->scheme, idx,
	    mm_span(thing->key, sizeof(thing->key)), thing->serial,
	    thing->issuer, live, thing->revoked, thing->revoked_at);

	if (error != MM_OK || thing->revoked == 0)
		return error;
	return MM_SQL_CHANGE(index, MM_SQL_REVOKED_PUT, "tbuuuu", thing->issuer,
	    thing->serial, thing->revoked - 1, thing->revoked_at, (uint64_t)0,
	    idx);
}

static enum mm_error
put_thing(
    struct mm_index *index, uint64_t idx, const struct mm_inherited *thing)
{
	if (thing->scheme.size == 0)
		return put_certificate(index, idx, thing);
	return MM_SQL_CHANGE(index, MM_SQL_ISSUED_INHERIT, "utttubbtuuu",
	    (uint64_t)MM_ENTRY_IMAGE, thing->profile, thing->subject,
	    thing->scheme, idx, mm_span(thing->key, sizeof(thing->key)),
	    mm_span(NULL, 0), thing->issuer, (uint64_t)MM_LIVE_IMAGE,
	    (uint64_t)0, (uint64_t)0);
}

static enum mm_error
take_next(struct mm_index *index, uint64_t idx, struct mm_span *items)
{
	mm_auto(arena) arena = {0};
	struct mm_inherited thing;
	enum mm_error error;

	mm_arena_init(&arena, 65536);
	error = mm_inherited_next(items, &arena, &thing);
	return error == MM_OK ? put_thing(index, idx, &thing) : error;
}

/* The next piece of this entry's, and not behind its end. */
static enum mm_error
take_piece(struct mm_index *index, uint64_t idx, struct mm_span items)
{
	enum mm_error error = MM_SQL_CHANGE(
	    index, MM_SQL_INHERITANCE_ADD, "uu", idx, (uint64_t)items.size);

	if (error == MM_OK && sqlite3_changes(index->db) != 1)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu lets nothing more be inherited",
		    (unsigned long long)idx);
	while (error == MM_OK && items.size > 0)
		error = take_next(index, idx, &items);
	return error;
}

enum mm_error
mm_index_inherit(struct mm_index *index, uint64_t idx, struct mm_span items)
{
	int changes = sqlite3_total_changes(index->db);
	enum mm_error error = take_piece(index, idx, items);

	if (error != MM_OK && sqlite3_total_changes(index->db) != changes)
		index->torn = true;
	return error;
}

enum mm_error
mm_index_inheritance(struct mm_index *index, uint64_t *idx, uint64_t *offset)
{
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_INHERITANCE_GET, "");

	if (error != MM_OK)
		return error;
	*idx = mm_sql_uint(index, MM_SQL_INHERITANCE_GET, 0);
	*offset = mm_sql_uint(index, MM_SQL_INHERITANCE_GET, 1);
	mm_sql_done(index, MM_SQL_INHERITANCE_GET);
	return MM_OK;
}
