/*
 * What people state of orders, principals, certificates to be revoked,
 * releases, and of what they stated before.
 */
#include "server/authority.h"
#include "server/issuers.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "ca/key.h"

enum { PAGE_ARENA = 16 << 20 /* of one page of principals */ };

/* --- orders --- */

static enum mm_error
check_station(struct mm_stating *s, struct mm_span name)
{
	mm_auto(arena) arena = {0};
	struct mm_principal station;
	enum mm_error error;

	mm_arena_init(&arena, PAGE_ARENA);
	error = mm_index_principal_named(s->a->index, name, &arena, &station);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && station.role != MM_ROLE_STATION))
		return mm_fail(MM_E_PRINCIPAL,
		    "order %.*s: there is no station %.*s: register it first, "
		    "or correct its name",
		    MM_SPAN(s->body.order.name), MM_SPAN(name));
	return error;
}

/* An order is closed whatever has become of its stations. */
static enum mm_error
check_stations(struct mm_stating *s)
{
	const struct mm_order_claim *order = &s->body.order;
	enum mm_error error = MM_OK;

	if (order->closed)
		return MM_OK;
	for (size_t i = 0; i < order->stations.count && error == MM_OK; i++)
		error = check_station(s,
		    mm_list_at(order->stations, struct mm_text_item, i)->value);
	return error;
}

enum mm_error
mm_order_check_stated(struct mm_stating *s)
{
	struct mm_order_row row;
	struct mm_order_facts facts = {
	    .policy = &s->a->policy, .claim = &s->body.order};
	enum mm_error error = mm_order_sound(&s->body.order);

	if (error != MM_OK)
		return error;
	error = mm_index_order(
	    s->a->index, s->body.order.name, &s->job->arena, &row);
	if (error == MM_OK)
		facts.former = &row.claim;
	else if (error != MM_E_NOT_FOUND)
		return error;
	error = mm_decide_order(&facts);
	return error == MM_OK ? check_stations(s) : error;
}

enum mm_error
mm_order_enter(struct mm_stating *s)
{
	return mm_statement_enter(s, MM_ENTRY_ORDER);
}

/* --- principals --- */

/* Whether this is the SHA-256 of a key of the mint itself. */
static enum mm_error
is_own(struct mm_stating *s, const uint8_t key[32], bool *out)
{
	struct mm_list keys;
	enum mm_error error =
	    mm_index_authorities(s->a->index, &s->job->arena, &keys);

	if (error != MM_OK)
		return error;
	*out = false;
	for (mm_list_each(const struct mm_authority_row, own, keys))
		if (memcmp(own->key, key, sizeof(own->key)) == 0)
			*out = true;
	return MM_OK;
}

/* A key belongs to one principal, to one device, or to the mint. */
static enum mm_error
check_key(struct mm_stating *s)
{
	const struct mm_principal_claim *claim = &s->body.principal;
	struct mm_issued device;
	bool own = false;
	/* A statement that disables may name a key that is another's since:
	 * there can be two rows of one key, and each counts. */
	enum mm_error error =
	    mm_index_principal_other(s->a->index, claim->key, claim->name);

	if (error == MM_E_NOT_FOUND)
		error = mm_index_key(
		    s->a->index, claim->key, &s->job->arena, &device);
	if (error == MM_E_NOT_FOUND)
		error = is_own(s, claim->key, &own);
	else if (error == MM_OK)
		own = true;
	if (error == MM_OK && own)
		error = mm_fail(MM_E_KEY_USED,
		    "the key of %.*s belongs to another principal, to a device "
		    "or to the mint itself: make a new one",
		    MM_SPAN(claim->name));
	return error;
}

/* That a certificate can be made for the CSR that came along. */
static enum mm_error
check_csr(struct mm_stating *s)
{
	const struct mm_profile *profile =
	    mm_profile_for(&s->a->policy, MM_PURPOSE_CLIENT);
	struct mm_key key;
	uint8_t digest[32];
	enum mm_error error;

	crypto_hash_sha256(digest, s->spki.data, s->spki.size);
	if (memcmp(digest, s->body.principal.key, sizeof(digest)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the statement is about another key than the CSR's");
	if (profile == NULL)
		return mm_fail(
		    MM_E_PROFILE, "there is no profile for TLS clients");
	error = mm_key_read(s->spki, &key);
	if (error == MM_OK && (profile->keys >> key.type & 1) == 0)
		error = mm_fail(MM_E_KEY_TYPE,
		    "profile %.*s does not allow keys of this kind",
		    MM_SPAN(profile->name));
	return error;
}

static bool
is_other_officer(const struct mm_principal *principal, struct mm_span name)
{
	return principal->role == MM_ROLE_OFFICER && !principal->disabled &&
	       !mm_span_equal(principal->name, name);
}

/* Whether there is an officer of another name who can bring statements. */
static enum mm_error
find_other_officer(struct mm_stating *s, bool *out)
{
	char last[MM_NAME_MAX + 1] = "";
	size_t count = MM_ROWS_MAX;

	*out = false;
	while (!*out && count == MM_ROWS_MAX) {
		mm_auto(arena) arena = {0};
		struct mm_list rows;
		enum mm_error error;

		mm_arena_init(&arena, PAGE_ARENA);
		error = mm_index_principals(s->a->index, mm_span_text(last),
		    MM_ROWS_MAX, &arena, &rows);
		if (error != MM_OK)
			return error;
		count = rows.count;
		for (mm_list_each(const struct mm_principal_row, row, rows)) {
			mm_span_string(row->principal.name, last, sizeof(last));
			*out = *out || is_other_officer(&row->principal,
					   s->body.principal.name);
		}
	}
	return MM_OK;
}

/* The last one of them stays: else nobody could ever state anything. */
static enum mm_error
check_officers(struct mm_stating *s, const struct mm_principal *former)
{
	const struct mm_principal_claim *claim = &s->body.principal;
	bool other = true;
	enum mm_error error = MM_OK;

	if (former->role == MM_ROLE_OFFICER && !former->disabled &&
	    (claim->disabled || claim->role != MM_ROLE_OFFICER))
		error = find_other_officer(s, &other);
	if (error == MM_OK && !other)
		error = mm_fail(MM_E_LOCK_OUT,
		    "%.*s is the only principal with the role officer: nobody "
		    "could bring a statement any more; register another first",
		    MM_SPAN(claim->name));
	return error;
}

enum mm_error
mm_principal_check(struct mm_stating *s)
{
	const struct mm_principal_claim *claim = &s->body.principal;
	struct mm_principal former = {.role = 0};
	enum mm_error error;

	if (claim->role == 0 || claim->role >= MM_ROLES)
		return mm_fail(MM_E_STATEMENT_DIFFERS, "there is no role %llu",
		    (unsigned long long)claim->role);
	error = mm_index_principal_named(
	    s->a->index, claim->name, &s->job->arena, &former);
	if (error == MM_E_NOT_FOUND && claim->disabled)
		return mm_fail(MM_E_NOT_FOUND, "there is no principal %.*s",
		    MM_SPAN(claim->name));
	if (error == MM_OK)
		error = check_officers(s, &former);
	if ((error != MM_OK && error != MM_E_NOT_FOUND) || claim->disabled)
		return error;
	error = check_key(s);
	if (error == MM_OK && s->spki.size > 0)
		error = check_csr(s);
	return error;
}

/* The certificate for the CSR that came along, resting on `basis`. */
static enum mm_error
draft_identity(struct mm_stating *s, uint64_t basis,
    struct mm_certificate_entry *body, struct mm_buffer *tbs)
{
	const struct mm_profile *profile =
	    mm_profile_for(&s->a->policy, MM_PURPOSE_CLIENT);
	enum mm_error error = check_csr(s);

	if (error != MM_OK)
		return error;
	if (!s->a->followed)
		return mm_plain(MM_E_TOKEN_UNAVAILABLE);
	*body = (struct mm_certificate_entry){.subject = s->body.principal.name,
	    .basis = basis,
	    .principal = s->job->principal.name};
	return mm_issue_draft(s->a, profile, body, s->spki, tbs);
}

static enum mm_error
log_identity(struct mm_stating *s, const struct mm_certificate_entry *body)
{
	struct mm_item *item;
	enum mm_error error = mm_issue_log(s->a, body, &item);

	if (error == MM_OK)
		mm_item_wait(s->a, item, s->job);
	return error;
}

/*
 * Its certificate rests on the principal's entry, in the same batch, and is
 * drafted before: what cannot have one is not registered either.
 */
enum mm_error
mm_principal_enter(struct mm_stating *s)
{
	struct mm_statement_entry stated = {.statements = s->statements,
	    .principal = s->job->principal.name,
	    .request = mm_span(s->job->ask.id, MM_ID_SIZE)};
	struct mm_certificate_entry body;
	mm_auto(buffer) tbs = {0};
	enum mm_error error;

	if (s->spki.size == 0 || s->body.principal.disabled)
		return mm_statement_enter(s, MM_ENTRY_PRINCIPAL);
	error = draft_identity(s, s->a->size + s->a->batch.count, &body, &tbs);
	if (error == MM_OK && s->a->item_count >= MM_ITEMS_MAX)
		error = mm_plain(MM_E_BUSY);
	if (error == MM_OK)
		error = mm_batch_add(s->a, MM_ENTRY_PRINCIPAL, &stated, NULL);
	return error == MM_OK ? log_identity(s, &body) : error;
}

/* What was said of the principal later is what counts. */
static enum mm_error
check_newest(struct mm_stating *s, uint64_t index)
{
	struct mm_span name = s->body.principal.name;
	struct mm_principal now;
	enum mm_error error =
	    mm_index_principal_named(s->a->index, name, &s->job->arena, &now);

	if (error == MM_OK && now.basis != index)
		error = mm_fail(MM_E_STATEMENT_REPLAY,
		    "there is a later statement about principal %.*s",
		    MM_SPAN(name));
	return error;
}

enum mm_error
mm_principal_certify(struct mm_stating *s, uint64_t basis)
{
	struct mm_certificate_entry body;
	mm_auto(buffer) tbs = {0};
	enum mm_error error = mm_shape_decode(&mm_principal_claim_shape,
	    s->claim.body, &s->job->arena, &s->body.principal);

	if (error == MM_OK)
		error = check_newest(s, basis);
	if (error == MM_OK && s->a->batch.clock != MM_OK)
		error = mm_plain(s->a->batch.clock);
	if (error == MM_OK)
		error = draft_identity(s, basis, &body, &tbs);
	return error == MM_OK ? log_identity(s, &body) : error;
}

/* --- revocations --- */

/* Whether the key has signed its own certificate: no CRL could list that. */
static enum mm_error
is_self_signed(struct mm_stating *s, const struct mm_issued *issued, bool *out)
{
	struct mm_certificate_entry body;
	struct mm_authority_row row;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error;

	*out = false;
	if (issued->inherited || issued->order != 0)
		return MM_OK;
	error = mm_index_reference(
	    s->a->index, issued->idx, &s->job->arena, &bytes);
	if (error == MM_E_NOT_FOUND)
		return MM_OK; /* of no CA: nothing rests on it */
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_CERTIFICATE, &s->job->arena, &entry, &body);
	if (error == MM_OK)
		error = mm_index_authority(
		    s->a->index, body.issuer, &s->job->arena, &row);
	if (error == MM_OK)
		*out = memcmp(row.key, issued->key, sizeof(row.key)) == 0;
	return error;
}

static bool
is_certificate(const struct mm_issued *issued)
{
	return issued->state == MM_ISSUED_SIGNED &&
	       (issued->inherited || issued->kind == MM_ENTRY_CERTIFICATE);
}

/* The verdict about one, told with its serial. */
static enum mm_error
with_serial(enum mm_error error, struct mm_span serial)
{
	char hex[2 * 20 + 1] = "", why[256];

	if (error == MM_OK || serial.size > 20)
		return error;
	sodium_bin2hex(hex, sizeof(hex), serial.data, serial.size);
	mm_span_string(mm_span_text(mm_why(error)), why, sizeof(why));
	return mm_fail(error, "serial %s: %s", hex, why);
}

static enum mm_error
check_revoked(struct mm_stating *s, const struct mm_revoked *revoked)
{
	struct mm_revoke_facts facts = {.reason = revoked->reason};
	struct mm_issued issued;
	bool own = false;
	enum mm_error error = mm_index_serial(
	    s->a->index, revoked->serial, &s->job->arena, &issued);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (error == MM_OK && is_certificate(&issued)) {
		facts.known = true;
		facts.revoked = issued.revoked;
		error = is_self_signed(s, &issued, &own);
		if (error != MM_OK)
			return error;
	}
	if (own)
		return mm_fail(MM_E_STATEMENT,
		    "the key has signed this certificate itself, and nothing "
		    "could say that it is revoked: retire the key by a "
		    "ceremony");
	return mm_decide_revoke(&facts);
}

static bool
is_twice(const struct mm_list *list, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (mm_span_equal(
			mm_list_at(*list, struct mm_revoked, j)->serial,
			mm_list_at(*list, struct mm_revoked, i)->serial))
			return true;
	return false;
}

enum mm_error
mm_revoke_check(struct mm_stating *s)
{
	const struct mm_list *list = &s->body.revoke.revoked;

	for (size_t i = 0; i < list->count; i++) {
		const struct mm_revoked *one =
		    mm_list_at(*list, struct mm_revoked, i);
		enum mm_error error = is_twice(list, i)
					  ? mm_fail(MM_E_STATEMENT,
						"the statement names it twice")
					  : check_revoked(s, one);

		if (error != MM_OK)
			return with_serial(error, one->serial);
	}
	return MM_OK;
}

enum mm_error
mm_revoke_enter(struct mm_stating *s)
{
	return mm_statement_enter(s, MM_ENTRY_REVOCATION);
}

/* --- withdrawals --- */

enum mm_error
mm_withdraw_check(struct mm_stating *s)
{
	struct mm_pending_index row;
	enum mm_error error =
	    mm_index_pending(s->a->index, s->body.withdraw.payload, &row);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_NOT_FOUND,
		    "no such statement waits for approvals: mintmark pending "
		    "list shows what does");
	if (error == MM_OK && row.withdrawn)
		error = mm_fail(MM_E_STATEMENT_WITHDRAWN,
		    "the statement was withdrawn before");
	if (error == MM_OK && row.expiry < s->a->batch.now)
		error = mm_fail(MM_E_NOT_FOUND,
		    "the statement has expired: it can not come into force");
	return error;
}

enum mm_error
mm_withdraw_enter(struct mm_stating *s)
{
	return mm_statement_enter(s, MM_ENTRY_WITHDRAWAL);
}
