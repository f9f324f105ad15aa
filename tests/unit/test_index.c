#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <unistd.h>

#include "tests/unit/index_room.h"
#include "tests/unit/text_file.h"

/*
 * A history that is made up at random, entry after entry, and beside it what
 * it adds up to, kept in the plainest way. The index must know the same.
 */
enum {
	ORDERS = 6,
	STATIONS = 4,
	AUDITORS = 3,
	DEVICES = 12,
	KEYS = 16,
	ISSUED = 800,
	WAITING = 400,
	ENTRIES = ROOM_ENTRIES
};

struct known_issued {
	uint64_t idx, kind, order, station, day, state, basis;
	unsigned device, key; /* numbers; of an image: its version */
	uint8_t serial[MM_SERIAL_SIZE], id[16], signature;
	struct known_issued *former; /* that it replaces */
	bool replaced;               /* its successor is not signed yet */
	uint64_t revoked, revoked_at, changed;
	uint64_t number; /* of a CRL */
	uint64_t scrap;  /* the entry that reports its unit; 0: none */
};

struct known_export {
	uint64_t idx, auditor, day;
	uint8_t id[16];
};

enum fate { WAITS, IN_FORCE, WITHDRAWN, DROPPED };

struct known_waiting {
	struct mm_list statements;
	uint64_t idx, expiry;
	enum fate fate;
};

struct history {
	uint64_t orders[ORDERS], first[ORDERS], revision[ORDERS];
	uint64_t used[ORDERS], reissued[ORDERS], refused[ORDERS],
	    revoked[ORDERS], scrapped[ORDERS];
	struct mm_span order_payloads[ORDERS];
	uint64_t stations[STATIONS], seen[STATIONS];
	uint8_t station_ids[STATIONS][16];
	bool disabled[STATIONS];
	struct known_issued issued[ISSUED];
	size_t issued_count;
	struct known_export exports[ENTRIES];
	size_t export_count;
	struct known_waiting waiting[WAITING];
	size_t waiting_count;
	uint64_t released; /* the newest release's entry; 0: none */
};

static struct history history;

static const char *const profiles[] = {"device", "device-2"};

static unsigned
below(size_t n)
{
	return randombytes_uniform((uint32_t)n);
}

static struct mm_list
order_statements(const char *prefix, unsigned number, uint64_t revision)
{
	struct mm_order_claim claim = {.name = named(prefix, number),
	    .profile = text(profiles[number % 2]),
	    .units = 1000 + number + revision,
	    .revision = revision,
	    .devices = {.pattern = text("*")},
	    .until = NOW + 400 * (uint64_t)DAY};

	claim.stations = TEXTS("station-0", "station-1");
	return state((struct says){
	    .kind = MM_STATEMENT_ORDER, .body = &claim, .by = &mint.ada});
}

/* A new order, or other terms for it. */
static void
add_order(unsigned number)
{
	struct history *h = &history;
	struct mm_statement_entry body = {
	    .statements =
		order_statements("order", number, h->revision[number])};

	h->orders[number] = room.count;
	if (h->revision[number]++ == 0)
		h->first[number] = room.count;
	h->order_payloads[number] = payload_of(&body.statements);
	ok(apply(MM_ENTRY_ORDER, &body));
}

static void
add_station(unsigned number, bool disabled)
{
	struct history *h = &history;
	struct mm_principal_claim claim = {.name = named("station", number),
	    .role = MM_ROLE_STATION,
	    .daily = 100 + number,
	    .disabled = disabled};
	struct mm_statement_entry body = {.principal = text("ada"),
	    .request = {keep(h->station_ids[number], 16), 16}};

	randombytes_buf(h->station_ids[number], 16);
	memcpy((void *)body.request.data, h->station_ids[number], 16);
	key_of(200 + number, claim.key);
	body.statements = state((struct says){
	    .kind = MM_STATEMENT_PRINCIPAL, .body = &claim, .by = &mint.ada});
	h->stations[number] = room.count;
	h->disabled[number] = disabled;
	ok(apply(MM_ENTRY_PRINCIPAL, &body));
}

static enum mm_error
apply_device(struct known_issued *made)
{
	struct history *h = &history;
	struct mm_replaced former;
	struct mm_certificate_entry body = {
	    .profile = text(profiles[made->order % 2]),
	    .subject = named("dev", made->device),
	    .basis = h->orders[made->order],
	    .issuer = text("device-ca"),
	    .tbs = make_tbs(made->serial, NOW + DAY),
	    .principal = named("station", made->station),
	    .request = {made->id, sizeof(made->id)}};

	if (made->former != NULL) {
		former = (struct mm_replaced){made->former->idx,
		    mm_span(made->former->serial, MM_SERIAL_SIZE)};
		body.replaces = (struct mm_list){&former, 1};
	}
	randombytes_buf(made->id, sizeof(made->id));
	key_of(made->key, body.key);
	made->kind = MM_ENTRY_CERTIFICATE;
	made->idx = room.count;
	made->basis = body.basis;
	made->day = room.now / DAY;
	return apply(MM_ENTRY_CERTIFICATE, &body);
}

static enum mm_error
apply_image(struct known_issued *made)
{
	struct mm_image_entry body = {.product = text("lamp"),
	    .version = named("v", made->device),
	    .size = 5,
	    .scheme = text("sha256-ecdsa"),
	    .key = text("codesign"),
	    .format = text("plain"),
	    .principal = text("release"),
	    .request = {made->id, sizeof(made->id)}};

	randombytes_buf(made->id, sizeof(made->id));
	key_of(made->key, body.sha256);
	made->kind = MM_ENTRY_IMAGE;
	made->idx = room.count;
	return apply(MM_ENTRY_IMAGE, &body);
}

static void
become_revoked(struct known_issued *one, uint64_t revoked, uint64_t idx)
{
	if (one->kind == MM_ENTRY_CERTIFICATE)
		history.revoked[one->order] +=
		    (uint64_t)(revoked > 0) - (uint64_t)(one->revoked > 0);
	one->revoked = revoked;
	one->revoked_at = revoked > 0 ? room.now : 0;
	one->changed = idx;
}

static void
add_signature(struct known_issued *one)
{
	struct known_issued *former = one->former;

	one->state = MM_ISSUED_SIGNED;
	one->signature = (uint8_t)(1 + below(255));
	ok(apply_signature(one->idx, one->signature));
	if (former == NULL)
		return;
	former->replaced = false;
	if (former->revoked == 0 || former->revoked == 1 + 6)
		become_revoked(former, 1 + 4, room.count - 1);
}

static void
add_void(struct known_issued *one)
{
	one->state = MM_ISSUED_VOID;
	if (one->kind == MM_ENTRY_CERTIFICATE && one->former == NULL)
		history.used[one->order]--;
	if (one->former != NULL) {
		history.reissued[one->order]--;
		one->former->replaced = false;
	}
	ok(apply_void(one->idx));
}

static void
add_refusal(void)
{
	unsigned order = below(ORDERS);
	struct mm_refusal refusal = {text("station-0"), text("issue"),
	    text("order-exhausted"), 1 + below(9), text("dev-1"),
	    named("order", order)};
	struct mm_refusal_entry body = {{&refusal, 1}};

	history.refused[order] += refusal.count;
	history.seen[0] = room.now;
	ok(apply(MM_ENTRY_REFUSAL, &body));
}

static void
add_crl(void)
{
	struct history *h = &history;
	struct known_issued *made = &h->issued[h->issued_count];

	assert_true(h->issued_count < ISSUED);
	*made = (struct known_issued){
	    .idx = room.count, .kind = MM_ENTRY_CRL, .number = 1};
	for (size_t i = 0; i < h->issued_count; i++)
		if (h->issued[i].kind == MM_ENTRY_CRL)
			made->number = h->issued[i].number + 1;
	h->issued_count++;
	ok(apply_crl("device-ca", made->number, room.count));
}

static void
drop_expired(void)
{
	for (size_t i = 0; i < history.waiting_count; i++)
		if (history.waiting[i].fate == WAITS &&
		    history.waiting[i].expiry < room.now)
			history.waiting[i].fate = DROPPED;
}

static struct mm_list
release_statements(uint64_t expiry)
{
	struct mm_scheme_digest scheme = {text("sha256-ecdsa"), {1}};
	struct mm_release_claim claim = {.product = text("lamp"),
	    .version = text("1.0"),
	    .size = 5,
	    .schemes = {&scheme, 1}};

	return state((struct says){.kind = MM_STATEMENT_RELEASE,
	    .body = &claim,
	    .by = &mint.ada,
	    .time = room.now,
	    .expiry = expiry});
}

/* What waits is new, or it goes on, comes into force, or is withdrawn. */
static void
add_waiting(void)
{
	struct history *h = &history;
	struct known_waiting *one;

	if (h->waiting_count == 0 || below(2) == 0) {
		assert_true(h->waiting_count < WAITING);
		one = &h->waiting[h->waiting_count++];
		one->fate = WAITS;
		one->expiry = room.now + below(60000);
		one->statements = release_statements(one->expiry);
		one->idx = room.count;
		ok(apply_waiting(one->statements));
		drop_expired();
	} else {
		one = &h->waiting[below(h->waiting_count)];
	}
	if (one->fate != WAITS)
		return;
	if (below(4) == 0) {
		one->fate = WITHDRAWN;
		ok(apply_withdrawal(one->statements));
	} else if (below(4) == 0) {
		one->fate = IN_FORCE;
		one->idx = h->released = room.count;
		ok(apply_stated(MM_ENTRY_RELEASE, one->statements));
	} else {
		one->idx = room.count;
		ok(apply_waiting(one->statements));
		drop_expired();
	}
}

static void
add_export(void)
{
	struct history *h = &history;
	struct known_export *one = &h->exports[h->export_count++];
	struct mm_export_entry body = {.from = below(9),
	    .to = 10 + below(9),
	    .format = text("csv"),
	    .size = 77,
	    .request = {one->id, sizeof(one->id)}};

	one->auditor = below(AUDITORS);
	one->idx = room.count;
	one->day = room.now / DAY;
	body.principal = named("auditor", one->auditor);
	randombytes_buf(one->id, sizeof(one->id));
	ok(apply(MM_ENTRY_EXPORT, &body));
}

/* --- what it adds up to --- */

static struct known_issued *
live(uint64_t kind,
    bool (*same)(const struct known_issued *, const struct known_issued *),
    const struct known_issued *as)
{
	struct history *h = &history;

	for (size_t i = 0; i < h->issued_count; i++)
		if (h->issued[i].kind == kind &&
		    h->issued[i].state != MM_ISSUED_VOID &&
		    (h->issued[i].revoked == 0 ||
			h->issued[i].revoked == 1 + 6) &&
		    !h->issued[i].replaced && same(&h->issued[i], as))
			return &h->issued[i];
	return NULL;
}

/* The newest certificate with this key that is not void. */
static struct known_issued *
holder(unsigned key)
{
	struct known_issued *found = NULL;

	for (size_t i = 0; i < history.issued_count; i++)
		if (history.issued[i].kind == MM_ENTRY_CERTIFICATE &&
		    history.issued[i].state != MM_ISSUED_VOID &&
		    history.issued[i].key == key)
			found = &history.issued[i];
	return found;
}

static bool
same_device(const struct known_issued *a, const struct known_issued *b)
{
	return a->device == b->device && a->order % 2 == b->order % 2;
}

static bool
same_version(const struct known_issued *a, const struct known_issued *b)
{
	return a->device == b->device;
}

/* A certificate or an image at random; `taken` where it is one too many. */
static struct known_issued
think_of_something(bool *image, bool *taken)
{
	struct known_issued made = {.order = below(ORDERS),
	    .station = below(STATIONS),
	    .device = below(DEVICES),
	    .key = below(KEYS)};
	struct known_issued *now, *key = holder(made.key);

	*image = below(4) == 0;
	if (*image) {
		*taken = live(MM_ENTRY_IMAGE, same_version, &made) != NULL;
		return made;
	}
	now = live(MM_ENTRY_CERTIFICATE, same_device, &made);
	if (now != NULL && now->state == MM_ISSUED_SIGNED && below(2) == 0)
		made.former = now;
	*taken =
	    now != made.former ||
	    (key != NULL && (!same_device(key, &made) ||
				((key != made.former || key->revoked != 0) &&
				    key->revoked != 1 + 4)));
	return made;
}

static void
issue_something(void)
{
	struct history *h = &history;
	bool image, taken;
	struct known_issued made = think_of_something(&image, &taken);

	if (taken)
		return;
	assert_true(h->issued_count < ISSUED);
	ok(image ? apply_image(&made) : apply_device(&made));
	if (!image && made.former == NULL)
		h->used[made.order]++;
	if (!image && made.former != NULL) {
		h->reissued[made.order]++;
		made.former->replaced = true;
	}
	if (!image)
		h->seen[made.station] = room.now;
	h->issued[h->issued_count++] = made;
}

static void
revoke_something(void)
{
	struct history *h = &history;
	struct known_issued *one;
	struct mm_span serial;

	if (h->issued_count == 0)
		return;
	one = &h->issued[below(h->issued_count)];
	serial = mm_span(one->serial, sizeof(one->serial));
	if (one->kind != MM_ENTRY_CERTIFICATE || one->state != MM_ISSUED_SIGNED)
		return;
	if (one->revoked == 0) {
		uint64_t reason = below(2) == 0 ? 6 : 1;

		ok(apply_revocation(serial, reason, 0));
		become_revoked(one, 1 + reason, room.count - 1);
	} else if (one->revoked == 1 + 6) {
		uint64_t reason = below(4) == 0 ? 5 : 8;

		ok(apply_revocation(serial, reason, 0));
		become_revoked(
		    one, reason == 8 ? 0 : 1 + reason, room.count - 1);
	}
}

/* Once for each certificate, whatever became of it. */
static void
scrap_something(void)
{
	struct history *h = &history;
	struct known_issued *one;
	uint8_t id[16];
	struct mm_scrap_entry body = {
	    .reason = text("no answer"), .request = {id, sizeof(id)}};

	if (h->issued_count == 0)
		return;
	one = &h->issued[below(h->issued_count)];
	if (one->kind != MM_ENTRY_CERTIFICATE ||
	    one->state != MM_ISSUED_SIGNED || one->scrap != 0)
		return;
	randombytes_buf(id, sizeof(id));
	body.basis = h->orders[one->order];
	body.certificate = one->idx;
	body.serial = mm_span(one->serial, sizeof(one->serial));
	body.device = named("dev", one->device);
	body.principal = named("station", one->station);
	one->scrap = room.count;
	h->scrapped[one->order]++;
	h->seen[one->station] = room.now;
	ok(apply(MM_ENTRY_SCRAP, &body));
}

static void
settle_something(void)
{
	struct history *h = &history;
	struct known_issued *one;

	if (h->issued_count == 0)
		return;
	one = &h->issued[below(h->issued_count)];
	if (one->state != MM_ISSUED_UNSIGNED)
		return;
	if (below(3) == 0)
		add_void(one);
	else
		add_signature(one);
}

static void
go_on(void)
{
	room.now += below(3000);
	switch (below(16)) {
	case 0:
		add_station(below(STATIONS), below(3) == 0);
		break;
	case 8:
		add_export();
		break;
	case 9:
	case 10:
		revoke_something();
		break;
	case 11:
		add_waiting();
		break;
	case 12:
		add_order(below(ORDERS));
		break;
	case 13:
		add_crl();
		break;
	case 1:
		add_refusal();
		break;
	case 15:
		scrap_something();
		break;
	case 2:
	case 3:
	case 4:
		issue_something();
		break;
	default:
		settle_something();
		break;
	}
}

/* The certificate of the mint's key `number`. */
static void
add_authority(size_t number, struct known_issued *made)
{
	const struct mm_genesis_key *key =
	    mm_list_at(mint.keys, struct mm_genesis_key, number);
	struct mm_certificate_entry body = {.profile = text("root-ca"),
	    .subject = text("Root"),
	    .issuer = text("root"),
	    .tbs = make_tbs(made->serial, NOW + DAY)};

	crypto_hash_sha256(body.key, key->spki.data, key->spki.size);
	made->idx = room.count;
	ok(apply(MM_ENTRY_CERTIFICATE, &body));
	add_signature(made);
}

static void
begin_history(void)
{
	struct history *h = &history;
	struct known_issued root = {0};

	memset(h, 0, sizeof(*h));
	ok(mm_index_begin(room.index));
	add_genesis();
	add_authority(0, &root);
	for (unsigned i = 0; i < ORDERS; i++)
		add_order(i);
	for (unsigned i = 0; i < STATIONS; i++)
		add_station(i, false);
	ok(mm_index_commit(room.index));
}

/* --- the index against the history --- */

static void
check_issued(const struct known_issued *one, struct mm_arena *arena)
{
	struct history *h = &history;
	struct mm_issued got;
	uint64_t idx;

	ok(mm_index_issued(room.index, one->idx, arena, &got));
	assert_int_equal(got.idx, one->idx);
	assert_int_equal(got.state, one->state);
	if (one->kind != MM_ENTRY_CRL)
		assert_int_equal(got.key[1], one->key);
	if (one->state == MM_ISSUED_SIGNED)
		assert_int_equal(got.signature.data[0], one->signature);
	assert_int_equal(got.revoked, one->revoked);
	assert_int_equal(got.revoked_at, one->revoked_at);
	assert_int_equal(got.kind, one->kind);
	if (one->kind == MM_ENTRY_CRL)
		return;
	if (one->kind == MM_ENTRY_IMAGE) {
		assert_true(mm_span_is(got.scheme, "sha256-ecdsa"));
		ok(mm_index_request(
		    room.index, text("release"), one->id, &idx));
		assert_int_equal(idx, one->idx);
		return;
	}
	assert_int_equal(mm_index_scrap(room.index, one->idx, &idx),
	    one->scrap != 0 ? MM_OK : MM_E_NOT_FOUND);
	if (one->scrap != 0)
		assert_int_equal(idx, one->scrap);
	assert_int_equal(got.basis, one->basis);
	assert_int_equal(got.order, h->first[one->order]);
	ok(mm_index_serial(room.index,
	    mm_span(one->serial, sizeof(one->serial)), arena, &got));
	assert_int_equal(got.idx, one->idx);
	ok(mm_index_request(
	    room.index, named("station", one->station), one->id, &idx));
	assert_int_equal(idx, one->idx);
}

static void
expect_issued(enum mm_error error, const struct mm_issued *got,
    const struct known_issued *wanted)
{
	assert_int_equal(error, wanted != NULL ? MM_OK : MM_E_NOT_FOUND);
	if (wanted != NULL)
		assert_int_equal(got->idx, wanted->idx);
}

static void
check_live(struct mm_arena *arena)
{
	struct mm_issued got;

	for (unsigned i = 0; i < 2 * DEVICES; i++) {
		struct known_issued as = {.device = i / 2, .order = i % 2};
		enum mm_error error = mm_index_device(room.index,
		    text(profiles[i % 2]), named("dev", i / 2), arena, &got);

		expect_issued(
		    error, &got, live(MM_ENTRY_CERTIFICATE, same_device, &as));
		error = mm_index_image(room.index, text("lamp"),
		    named("v", i / 2), text("sha256-ecdsa"), arena, &got);
		expect_issued(
		    error, &got, live(MM_ENTRY_IMAGE, same_version, &as));
	}
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key[32];
		enum mm_error error;

		key_of(i, key);
		error = mm_index_key(room.index, key, arena, &got);
		expect_issued(error, &got, holder(i));
	}
}

static void
check_orders(struct mm_arena *arena)
{
	struct history *h = &history;

	for (unsigned i = 0; i < ORDERS; i++) {
		struct mm_order_row row;
		struct mm_order_claim claim;
		uint64_t idx;

		ok(mm_index_order(room.index, named("order", i), arena, &row));
		assert_int_equal(row.idx, h->orders[i]);
		assert_int_equal(row.first, h->first[i]);
		assert_int_equal(row.used, h->used[i]);
		assert_int_equal(row.reissued, h->reissued[i]);
		assert_int_equal(row.refused, h->refused[i]);
		assert_int_equal(row.revoked, h->revoked[i]);
		assert_int_equal(row.scrapped, h->scrapped[i]);
		assert_int_equal(row.claim.revision, h->revision[i] - 1);
		ok(mm_index_order_at(room.index, row.idx, arena, &claim));
		assert_true(mm_span_equal(claim.name, row.claim.name));
		ok(mm_index_statement(room.index, h->order_payloads[i], &idx));
		assert_int_equal(idx, h->orders[i]);
	}
}

static uint64_t
issued_on(uint64_t station, uint64_t day)
{
	struct history *h = &history;
	uint64_t count = 0;

	for (size_t i = 0; i < h->issued_count; i++)
		count += h->issued[i].kind == MM_ENTRY_CERTIFICATE &&
			 h->issued[i].state != MM_ISSUED_VOID &&
			 h->issued[i].station == station &&
			 h->issued[i].day == day;
	return count;
}

static uint64_t
daily(const char *what, uint64_t number, uint64_t kind, uint64_t at)
{
	uint64_t count;

	ok(mm_index_daily(room.index, named(what, number), kind, at, &count));
	return count;
}

static uint64_t
exported_on(uint64_t auditor, uint64_t day)
{
	struct history *h = &history;
	uint64_t count = 0;

	for (size_t i = 0; i < h->export_count; i++)
		count += h->exports[i].auditor == auditor &&
			 h->exports[i].day == day;
	return count;
}

static void
check_exports(void)
{
	struct history *h = &history;

	for (size_t i = 0; i < h->export_count; i++) {
		const struct known_export *one = &h->exports[i];
		uint64_t idx;

		ok(mm_index_request(
		    room.index, named("auditor", one->auditor), one->id, &idx));
		assert_int_equal(idx, one->idx);
	}
	for (uint64_t i = 0; i < AUDITORS; i++)
		for (uint64_t at = NOW; at <= room.now + DAY; at += DAY) {
			assert_int_equal(
			    daily("auditor", i, MM_ENTRY_EXPORT, at),
			    exported_on(i, at / DAY));
			assert_int_equal(
			    daily("auditor", i, MM_ENTRY_CERTIFICATE, at), 0);
		}
}

static void
check_stations(struct mm_arena *arena)
{
	struct history *h = &history;

	for (unsigned i = 0; i < STATIONS; i++) {
		struct mm_principal by_key, by_name;
		uint8_t key[32];
		uint64_t idx;

		key_of(200 + i, key);
		ok(mm_index_principal(room.index, key, arena, &by_key));
		ok(mm_index_principal_named(
		    room.index, named("station", i), arena, &by_name));
		assert_int_equal(by_key.basis, h->stations[i]);
		assert_int_equal(by_name.basis, h->stations[i]);
		assert_int_equal(by_key.disabled, h->disabled[i]);
		assert_int_equal(by_key.daily, 100 + i);
		ok(mm_index_request(
		    room.index, text("ada"), h->station_ids[i], &idx));
		assert_int_equal(idx, h->stations[i]);
		for (uint64_t at = NOW; at <= room.now + DAY; at += DAY)
			assert_int_equal(
			    daily("station", i, MM_ENTRY_CERTIFICATE, at),
			    issued_on(i, at / DAY));
	}
}

static void
check_seen(struct mm_arena *arena)
{
	struct mm_list rows;

	ok(mm_index_principals(room.index, mm_span(NULL, 0), 99, arena, &rows));
	assert_int_equal(rows.count, STATIONS);
	for (unsigned i = 0; i < STATIONS; i++) {
		const struct mm_principal_row *row =
		    mm_list_at(rows, struct mm_principal_row, i);

		assert_int_equal(row->seen, history.seen[i]);
		assert_int_equal(row->key[1], 200 + i);
		assert_int_equal(row->principal.disabled, history.disabled[i]);
	}
}

static enum mm_error
count_revoked(void *self, const struct mm_revoked_row *row)
{
	uint64_t *counts = self;

	counts[row->reason]++;
	return MM_OK;
}

static void
check_revoked(void)
{
	struct history *h = &history;
	uint64_t got[11] = {0}, wanted[11] = {0}, changes = 0, count;
	const struct known_issued *newest = NULL;
	struct mm_crl_row crl;
	enum mm_error error = mm_index_crl(room.index, text("device-ca"), &crl);

	for (size_t i = 0; i < h->issued_count; i++) {
		const struct known_issued *one = &h->issued[i];

		if (one->revoked > 0)
			wanted[one->revoked - 1]++;
		if (one->kind == MM_ENTRY_CRL && one->state != MM_ISSUED_VOID)
			newest = one;
	}
	ok(mm_index_revoked(room.index, text("device-ca"), count_revoked, got));
	assert_memory_equal(got, wanted, sizeof(got));
	assert_int_equal(error, newest != NULL ? MM_OK : MM_E_NOT_FOUND);
	if (newest == NULL)
		return;
	assert_int_equal(crl.idx, newest->idx);
	assert_int_equal(crl.number, newest->number);
	assert_int_equal(crl.is_signed, newest->state == MM_ISSUED_SIGNED);
	for (size_t i = 0; i < h->issued_count; i++)
		changes += h->issued[i].changed >= newest->idx;
	ok(mm_index_crl_changes(
	    room.index, text("device-ca"), crl.size, &count));
	assert_int_equal(count, changes);
}

static void
check_waiting(struct mm_arena *arena)
{
	struct history *h = &history;
	uint64_t count = 0, idx;

	for (size_t i = 0; i < h->waiting_count; i++) {
		const struct known_waiting *one = &h->waiting[i];
		struct mm_pending_index got = {.withdrawn = false};
		struct mm_span entry;
		uint8_t digest[32];
		enum mm_error error;

		digest_of(&one->statements, digest);
		error = mm_index_pending(room.index, digest, &got);
		assert_int_equal(
		    error, one->fate == WAITS || one->fate == WITHDRAWN
			       ? MM_OK
			       : MM_E_NOT_FOUND);
		assert_int_equal(got.withdrawn, one->fate == WITHDRAWN);
		count += one->fate == WAITS && one->expiry >= room.now;
		error = mm_index_reference(room.index, one->idx, arena, &entry);
		assert_int_equal(
		    error, one->fate == WAITS || one->fate == IN_FORCE
			       ? MM_OK
			       : MM_E_NOT_FOUND);
		error = mm_index_statement(
		    room.index, payload_of(&one->statements), &idx);
		assert_int_equal(
		    error, one->fate == IN_FORCE ? MM_OK : MM_E_NOT_FOUND);
	}
	ok(mm_index_pending_count(room.index, room.now, &idx));
	assert_int_equal(idx, count);
	if (mm_index_release(room.index, text("lamp"), text("1.0"), &idx) ==
	    MM_OK)
		assert_int_equal(idx, h->released);
	else
		assert_int_equal(h->released, 0);
}

static void
check_unsigned(void)
{
	struct history *h = &history;
	uint64_t from = 0, idx, found, count = 0;

	for (size_t i = 0; i < h->issued_count; i++) {
		if (h->issued[i].state != MM_ISSUED_UNSIGNED)
			continue;
		ok(mm_index_unsigned(room.index, from, &idx));
		assert_int_equal(idx, h->issued[i].idx);
		from = idx + 1;
		count++;
	}
	assert_int_equal(
	    mm_index_unsigned(room.index, from, &idx), MM_E_NOT_FOUND);
	ok(mm_index_unsigned_count(room.index, &found));
	assert_int_equal(found, count);
}

static void
check_authorities(struct mm_arena *arena)
{
	struct mm_authority_row root, other;
	struct mm_issued got;
	struct mm_span entry;
	struct mm_list policies;
	uint64_t idx;

	ok(mm_index_authority(room.index, text("root"), arena, &root));
	assert_int_equal(root.idx, 1);
	ok(mm_index_authority(room.index, text("device-ca"), arena, &other));
	assert_int_equal(other.idx, UINT64_MAX);
	assert_int_equal(
	    mm_index_authority(room.index, text("none"), arena, &other),
	    MM_E_NOT_FOUND);
	ok(mm_index_resting(room.index, 0, arena, &got));
	assert_int_equal(got.idx, 1);
	ok(mm_index_reference(room.index, 1, arena, &entry));
	assert_true(mm_span_equal(entry, room.entries[1]));
	assert_int_equal(
	    mm_index_reference(room.index, 2, arena, &entry), MM_E_NOT_FOUND);
	ok(mm_index_policy(room.index, &idx));
	assert_int_equal(idx, 0);
	ok(mm_index_policies(room.index, arena, &policies));
	assert_int_equal(policies.count, 1);
}

static void
check_all(void)
{
	struct history *h = &history;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 16 << 20);
	assert_int_equal(mm_index_size(room.index), room.count);
	for (size_t i = 0; i < h->issued_count; i++)
		check_issued(&h->issued[i], &arena);
	check_live(&arena);
	check_orders(&arena);
	check_stations(&arena);
	check_seen(&arena);
	check_revoked();
	check_waiting(&arena);
	check_exports();
	check_unsigned();
	check_authorities(&arena);
}

/* --- the tests --- */

static int
set_up(void **unused)
{
	begin_room(unused);
	begin_history();
	return 0;
}

static void
live_for(int steps)
{
	for (int i = 0; i < steps; i++) {
		ok(mm_index_begin(room.index));
		for (unsigned n = below(6); n > 0; n--)
			go_on();
		ok(mm_index_commit(room.index));
	}
}

static void
a_busy_history_adds_up(void **unused)
{
	(void)unused;
	for (int i = 0; i < 8; i++) {
		live_for(25);
		check_all();
	}
}

static void
it_is_the_same_after_closing(void **unused)
{
	(void)unused;
	live_for(100);
	open_room(false);
	check_all();
}

static void
apply_again(void)
{
	assert_int_equal(mm_index_size(room.index), 0);
	ok(mm_index_begin(room.index));
	for (size_t i = 0; i < room.count; i++)
		ok(mm_index_apply(room.index, room.entries[i]));
	ok(mm_index_commit(room.index));
	check_all();
}

static void
the_log_alone_brings_it_back(void **unused)
{
	char path[300];

	(void)unused;
	live_for(100);
	open_room(true);
	apply_again();
	mm_index_close(room.index);
	snprintf(path, sizeof(path), "%s/index.db", room.directory);
	assert_int_equal(unlink(path), 0);
	ok(mm_index_open(room.directory, false, &room.index));
	apply_again();
}

static void
a_rollback_leaves_nothing(void **unused)
{
	static struct history before;
	uint64_t now;
	size_t count;

	(void)unused;
	live_for(30);
	for (int i = 0; i < 20; i++) {
		before = history;
		count = room.count;
		now = room.now;
		ok(mm_index_begin(room.index));
		for (int n = 0; n < 5; n++)
			go_on();
		mm_index_rollback(room.index);
		history = before;
		room.count = count;
		room.now = now;
		check_all();
	}
	live_for(10);
	check_all();
}

/* What was begun and not committed is not there after a crash. */
static void
what_is_not_committed_is_forgotten(void **unused)
{
	static struct history before;
	uint64_t now;
	size_t count;

	(void)unused;
	live_for(30);
	before = history;
	count = room.count;
	now = room.now;
	ok(mm_index_begin(room.index));
	for (int n = 0; n < 5; n++)
		go_on();
	open_room(false);
	history = before;
	room.count = count;
	room.now = now;
	check_all();
}

static void
settle(uint64_t idx, enum mm_error signature, enum mm_error gone)
{
	uint8_t byte = 1;
	struct mm_signature one = {idx, {&byte, 1}};
	struct mm_signatures_entry signatures = {{&one, 1}};
	struct mm_void other = {idx, text("token-failed")};
	struct mm_void_entry voids = {{&other, 1}};

	assert_int_equal(apply(MM_ENTRY_SIGNATURES, &signatures), signature);
	assert_int_equal(apply(MM_ENTRY_VOID, &voids), gone);
}

static void
only_what_waits_is_signed_or_voided(void **unused)
{
	struct known_issued one = {.device = 1, .key = 1};

	(void)unused;
	ok(mm_index_begin(room.index));
	/* An order; the root, which is signed; an entry to come. */
	settle(history.orders[0], MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	settle(1, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	settle(room.count, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	ok(apply_device(&one));
	settle(one.idx, MM_OK, MM_E_LOG_WRONG);
	one.device = one.key = 2;
	ok(apply_device(&one));
	add_void(&one);
	settle(one.idx, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	mm_index_rollback(room.index);
}

/* The second of two signatures is wrong: the first one is not kept. */
static void
half_an_entry_is_never_committed(void **unused)
{
	struct known_issued one = {.device = 1, .key = 1};
	uint8_t byte = 1;
	struct mm_signature pair[2] = {{0, {&byte, 1}}, {0, {&byte, 1}}};
	struct mm_signatures_entry signatures = {{pair, 2}};
	uint64_t size = mm_index_size(room.index);

	(void)unused;
	ok(mm_index_begin(room.index));
	ok(apply_device(&one));
	pair[0].index = one.idx;
	pair[1].index = one.idx + 1;
	assert_int_equal(
	    apply(MM_ENTRY_SIGNATURES, &signatures), MM_E_LOG_WRONG);
	assert_int_equal(mm_index_commit(room.index), MM_E_STORE);
	mm_index_rollback(room.index);
	room.count = size;
	check_all();
	live_for(3);
	check_all();
}

static void
a_voided_unit_is_given_back(void **unused)
{
	struct known_issued first = {.device = 1, .key = 1};
	struct known_issued other = {.device = 1, .key = 2};
	struct mm_order_row row;
	mm_auto(arena) arena = {0};

	(void)unused;
	mm_arena_init(&arena, 1 << 20);
	ok(mm_index_begin(room.index));
	ok(apply_device(&first));
	history.used[0]++;
	add_void(&first);
	ok(mm_index_order(room.index, text("order-0"), &arena, &row));
	assert_int_equal(row.used, 0);
	assert_int_equal(daily("station", 0, MM_ENTRY_CERTIFICATE, NOW), 0);
	ok(apply_device(&other));
	ok(mm_index_order(room.index, text("order-0"), &arena, &row));
	assert_int_equal(row.used, 1);
	mm_index_rollback(room.index);
}

/* Refused by the fold itself, whoever decided. */
static void
what_is_taken_is_refused(void **unused)
{
	unsigned refused = 0;

	(void)unused;
	live_for(60);
	for (int i = 0; i < 200; i++) {
		bool image, taken;
		struct known_issued made = think_of_something(&image, &taken);

		if (!taken)
			continue;
		refused++;
		ok(mm_index_begin(room.index));
		assert_int_equal(
		    image ? apply_image(&made) : apply_device(&made),
		    MM_E_LOG_WRONG);
		mm_index_rollback(room.index);
	}
	assert_in_range(refused, 1, 200);
	check_all();
}

static void
a_statement_or_a_name_comes_once(void **unused)
{
	struct mm_statement_entry body = {
	    .statements = order_statements("again", 0, 0)};
	struct mm_statement_entry named_alike = {
	    .statements = order_statements("again", 0, 0)};
	size_t count = room.count;

	(void)unused;
	ok(mm_index_begin(room.index));
	ok(apply(MM_ENTRY_ORDER, &body));
	assert_int_equal(apply(MM_ENTRY_ORDER, &body), MM_E_LOG_WRONG);
	mm_index_rollback(room.index);
	ok(mm_index_begin(room.index));
	room.count = count;
	ok(apply(MM_ENTRY_ORDER, &body));
	assert_int_equal(apply(MM_ENTRY_ORDER, &named_alike), MM_E_LOG_WRONG);
	mm_index_rollback(room.index);
	room.count = count;
}

static void
a_statement_is_of_its_entrys_kind(void **unused)
{
	struct mm_statement_entry body = {
	    .statements = order_statements("odd", 0, 0)};
	uint64_t none = 0;
	struct mm_bytes_item junk = {text("junk")};

	(void)unused;
	ok(mm_index_begin(room.index));
	assert_int_equal(apply(MM_ENTRY_PRINCIPAL, &body), MM_E_LOG_WRONG);
	body.statements = (struct mm_list){&junk, 1};
	assert_int_equal(apply(MM_ENTRY_ORDER, &body), MM_E_STATEMENT);
	assert_int_equal(
	    mm_index_apply(room.index, mm_span(&none, 8)), MM_E_ENTRY);
	mm_index_rollback(room.index);
	check_all();
}

/* A new key for the same name: the former one is nobody's. */
static void
a_principal_has_one_key(void **unused)
{
	struct mm_principal_claim claim = {
	    .name = text("station-0"), .role = MM_ROLE_STATION};
	struct mm_statement_entry body = {.principal = text("ada")};
	struct mm_principal got;
	uint8_t former[32];
	mm_auto(arena) arena = {0};

	(void)unused;
	mm_arena_init(&arena, 1 << 20);
	key_of(99, claim.key);
	key_of(200, former);
	body.statements = state((struct says){
	    .kind = MM_STATEMENT_PRINCIPAL, .body = &claim, .by = &mint.ada});
	ok(mm_index_begin(room.index));
	ok(apply(MM_ENTRY_PRINCIPAL, &body));
	ok(mm_index_principal(room.index, claim.key, &arena, &got));
	assert_true(mm_span_is(got.name, "station-0"));
	assert_int_equal(mm_index_principal(room.index, former, &arena, &got),
	    MM_E_NOT_FOUND);
	mm_index_rollback(room.index);
}

/* --- files that are not an index of ours --- */

static void
change_file(const char *statement)
{
	char path[300];
	sqlite3 *db;

	mm_index_close(room.index);
	room.index = NULL;
	snprintf(path, sizeof(path), "%s/index.db", room.directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
another_version_is_made_anew(void **unused)
{
	static const char *const changes[] = {"PRAGMA user_version = 77",
	    "PRAGMA application_id = 77", "PRAGMA user_version = 0",
	    "DROP TABLE orders", "DELETE FROM fold"};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(changes); i++) {
		change_file(changes[i]);
		ok(mm_index_open(room.directory, false, &room.index));
		apply_again();
	}
}

/* Overwrites the first page of a table, as a bad disk may. */
static void
overwrite_table(const char *where)
{
	char path[300], query[128];
	uint8_t junk[4096];
	sqlite3_stmt *statement;
	sqlite3 *db;
	FILE *file;
	int page;

	mm_index_close(room.index);
	room.index = NULL;
	memset(junk, 0xa5, sizeof(junk));
	snprintf(path, sizeof(path), "%s/index.db", room.directory);
	snprintf(query, sizeof(query),
	    "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", where);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	page = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(
	    fseek(file, (page - 1) * (long)sizeof(junk), SEEK_SET), 0);
	assert_int_equal(fwrite(junk, sizeof(junk), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

/* Damage that opening does not see ends its use: the next start begins with
 * nothing. */
static void
what_is_damaged_is_gone_after_closing(void **unused)
{
	struct mm_issued got;
	mm_auto(arena) arena = {0};

	(void)unused;
	mm_arena_init(&arena, 1 << 20);
	live_for(100);
	overwrite_table("issued");
	ok(mm_index_open(room.directory, false, &room.index));
	assert_int_equal(mm_index_size(room.index), room.count);
	assert_int_equal(
	    mm_index_issued(room.index, 1, &arena, &got), MM_E_STATE);
	open_room(false);
	apply_again();
	overwrite_table("fold");
	ok(mm_index_open(room.directory, false, &room.index));
	apply_again();
}

static void
it_knows_the_log_that_it_follows(void **unused)
{
	struct mm_span newest;
	size_t other;

	(void)unused;
	live_for(20);
	newest = room.entries[room.count - 1];
	/* The same statement may come twice in a second. */
	for (other = room.count - 2;
	     mm_span_equal(room.entries[other], newest);)
		other--;
	assert_true(mm_index_follows(room.index, newest));
	assert_false(mm_index_follows(room.index, room.entries[other]));
	ok(mm_index_begin(room.index));
	go_on();
	mm_index_rollback(room.index);
	open_room(false);
	room.count = mm_index_size(room.index);
	assert_true(mm_index_follows(room.index, room.entries[room.count - 1]));
	ok(mm_index_begin(room.index));
	ok(mm_index_commit(room.index));
	assert_true(mm_index_follows(room.index, room.entries[room.count - 1]));
	ok(mm_index_anew(room.index));
	assert_int_equal(mm_index_size(room.index), 0);
}

/* --- all tables, whichever way they came to be --- */

static void
digest_rows(sqlite3 *db, const char *table, crypto_generichash_state *hash)
{
	char query[128];
	sqlite3_stmt *statement;

	snprintf(query, sizeof(query), "SELECT * FROM %s", table);
	assert_int_equal(
	    sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			int size = sqlite3_column_bytes(statement, i);

			crypto_generichash_update(
			    hash, (const uint8_t *)&size, sizeof(size));
			crypto_generichash_update(hash,
			    sqlite3_column_blob(statement, i),
			    (unsigned long long)size);
		}
	sqlite3_finalize(statement);
}

/* Of every row of every table; the index is closed meanwhile. */
static void
digest_tables(uint8_t out[32])
{
	crypto_generichash_state hash;
	char path[300];
	sqlite3_stmt *tables;
	sqlite3 *db;
	unsigned count = 0;

	mm_index_close(room.index);
	room.index = NULL;
	crypto_generichash_init(&hash, NULL, 0, 32);
	snprintf(path, sizeof(path), "%s/index.db", room.directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT name FROM sqlite_schema"
			     " WHERE type = 'table' ORDER BY name",
			     -1, &tables, NULL),
	    SQLITE_OK);
	for (; sqlite3_step(tables) == SQLITE_ROW; count++)
		digest_rows(
		    db, (const char *)sqlite3_column_text(tables, 0), &hash);
	sqlite3_finalize(tables);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_in_range(count, 10, 100);
	crypto_generichash_final(&hash, out, 32);
}

/* Batch after batch with others that were rolled back between them, or all
 * at once: not a row differs. */
static void
folding_at_once_is_folding_by_batches(void **unused)
{
	static struct history before;
	uint8_t batches[32], once[32];

	(void)unused;
	for (int i = 0; i < 80; i++) {
		size_t count = room.count;
		uint64_t now = room.now;

		before = history;
		ok(mm_index_begin(room.index));
		for (int n = 0; n < 4; n++)
			go_on();
		mm_index_rollback(room.index);
		history = before;
		room.count = count;
		room.now = now;
		live_for(2);
	}
	digest_tables(batches);
	open_room(true);
	apply_again();
	digest_tables(once);
	assert_memory_equal(batches, once, 32);
	open_room(false);
}

static void
what_is_no_database_is_made_anew(void **unused)
{
	char path[300];

	(void)unused;
	mm_index_close(room.index);
	room.index = NULL;
	snprintf(path, sizeof(path), "%s/index.db", room.directory);
	write_text(path,
	    "this is a text of more than a few characters, and "
	    "no database whatever anybody may say about it; it "
	    "has more than a hundred bytes",
	    0600);
	ok(mm_index_open(room.directory, false, &room.index));
	apply_again();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, end_room)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_busy_history_adds_up),
	    TEST(it_is_the_same_after_closing),
	    TEST(the_log_alone_brings_it_back),
	    TEST(a_rollback_leaves_nothing),
	    TEST(what_is_not_committed_is_forgotten),
	    TEST(only_what_waits_is_signed_or_voided),
	    TEST(half_an_entry_is_never_committed),
	    TEST(a_voided_unit_is_given_back),
	    TEST(a_statement_or_a_name_comes_once),
	    TEST(a_statement_is_of_its_entrys_kind),
	    TEST(a_principal_has_one_key),
	    TEST(what_is_taken_is_refused),
	    TEST(folding_at_once_is_folding_by_batches),
	    TEST(it_knows_the_log_that_it_follows),
	    TEST(another_version_is_made_anew),
	    TEST(what_is_no_database_is_made_anew),
	    TEST(what_is_damaged_is_gone_after_closing),
	};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
