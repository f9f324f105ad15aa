#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <unistd.h>

#include "ca/serial.h"
#include "server/index.h"
#include "tests/unit/mint.h"

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
	ISSUED = 400,
	ENTRIES = 1500
};

struct known_issued {
	uint64_t idx, kind, order, station, day, state;
	unsigned device, key; /* numbers; of an image: its version */
	uint8_t serial[MM_SERIAL_SIZE], id[16], signature;
};

struct known_export {
	uint64_t idx, auditor, day;
	uint8_t id[16];
};

struct history {
	struct mm_span entries[ENTRIES];
	size_t count;
	uint64_t now;
	uint64_t orders[ORDERS], used[ORDERS]; /* idx and units */
	struct mm_span order_payloads[ORDERS];
	uint64_t stations[STATIONS];
	uint8_t station_ids[STATIONS][16];
	bool disabled[STATIONS];
	struct known_issued issued[ISSUED];
	size_t issued_count;
	struct known_export exports[ENTRIES];
	size_t export_count;
};

static struct {
	char directory[256];
	struct mm_index *index;
	struct history history;
} fold;

static const char *const profiles[] = {"device", "device-2"};

static unsigned
below(size_t n)
{
	return randombytes_uniform((uint32_t)n);
}

static struct mm_span
named(const char *what, uint64_t number)
{
	char name[40];
	int size =
	    snprintf(name, sizeof(name), "%s-%ju", what, (uintmax_t)number);

	return mm_span(keep(name, (size_t)size), (size_t)size);
}

static void
key_of(unsigned number, uint8_t out[32])
{
	memset(out, 0, 32);
	out[0] = 'k';
	out[1] = (uint8_t)number;
}

/* Ours begin like this; the index reads no further. */
static struct mm_span
make_tbs(uint8_t serial[MM_SERIAL_SIZE])
{
	uint8_t tbs[64] = {0x30, 0x82, 0, 60, 0xa0, 0x03, 0x02, 0x01, 0x02,
	    0x02, MM_SERIAL_SIZE};

	mm_serial_make(serial);
	memcpy(tbs + 11, serial, MM_SERIAL_SIZE);
	return mm_span(keep(tbs, sizeof(tbs)), sizeof(tbs));
}

/* --- entries, each applied to the index and kept --- */

static enum mm_error
apply(uint64_t kind, const void *body)
{
	struct history *h = &fold.history;
	struct mm_span entry =
	    make_entry(kind, h->now, mint.policy_digest, body);
	enum mm_error error = mm_index_apply(fold.index, entry);

	if (error == MM_OK) {
		assert_true(h->count < ENTRIES);
		h->entries[h->count++] = entry;
	}
	return error;
}

static struct mm_span
payload_of(const struct mm_list *statements)
{
	struct mm_statement statement;

	ok(mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement));
	return statement.payload;
}

static struct mm_list
order_statements(const char *prefix, unsigned number)
{
	struct mm_order_claim claim = {.name = named(prefix, number),
	    .profile = text(profiles[number % 2]),
	    .units = 1000 + number,
	    .devices = {.pattern = text("*")},
	    .until = NOW + 400 * (uint64_t)DAY};

	claim.stations = TEXTS("station-0", "station-1");
	return state((struct says){
	    .kind = MM_STATEMENT_ORDER, .body = &claim, .by = &mint.ada});
}

static void
add_order(unsigned number)
{
	struct history *h = &fold.history;
	struct mm_statement_entry body = {
	    .statements = order_statements("order", number)};

	h->orders[number] = h->count;
	h->order_payloads[number] = payload_of(&body.statements);
	ok(apply(MM_ENTRY_ORDER, &body));
}

static void
add_station(unsigned number, bool disabled)
{
	struct history *h = &fold.history;
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
	h->stations[number] = h->count;
	h->disabled[number] = disabled;
	ok(apply(MM_ENTRY_PRINCIPAL, &body));
}

static enum mm_error
apply_device(struct known_issued *made)
{
	struct history *h = &fold.history;
	struct mm_certificate_entry body = {
	    .profile = text(profiles[made->order % 2]),
	    .subject = named("dev", made->device),
	    .basis = h->orders[made->order],
	    .issuer = text("device-ca"),
	    .tbs = make_tbs(made->serial),
	    .principal = named("station", made->station),
	    .request = {made->id, sizeof(made->id)}};

	randombytes_buf(made->id, sizeof(made->id));
	key_of(made->key, body.key);
	made->kind = MM_ENTRY_CERTIFICATE;
	made->idx = h->count;
	made->day = h->now / DAY;
	return apply(MM_ENTRY_CERTIFICATE, &body);
}

static enum mm_error
apply_image(struct known_issued *made)
{
	struct history *h = &fold.history;
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
	made->idx = h->count;
	return apply(MM_ENTRY_IMAGE, &body);
}

static void
add_signature(struct known_issued *one)
{
	struct mm_signature signature;
	struct mm_signatures_entry body = {{&signature, 1}};

	one->state = MM_ISSUED_SIGNED;
	one->signature = (uint8_t)(1 + below(255));
	signature = (struct mm_signature){one->idx, {&one->signature, 1}};
	ok(apply(MM_ENTRY_SIGNATURES, &body));
}

static void
add_void(struct known_issued *one)
{
	struct mm_void gone = {one->idx, text("token-failed")};
	struct mm_void_entry body = {{&gone, 1}};

	one->state = MM_ISSUED_VOID;
	if (one->kind == MM_ENTRY_CERTIFICATE)
		fold.history.used[one->order]--;
	ok(apply(MM_ENTRY_VOID, &body));
}

static void
add_refusal(void)
{
	struct mm_refusal refusal = {text("station-0"), text("issue"),
	    text("order-exhausted"), 1 + below(9), text("dev-1")};
	struct mm_refusal_entry body = {{&refusal, 1}};

	ok(apply(MM_ENTRY_REFUSAL, &body));
}

static void
add_export(void)
{
	struct history *h = &fold.history;
	struct known_export *one = &h->exports[h->export_count++];
	struct mm_export_entry body = {.from = below(9),
	    .to = 10 + below(9),
	    .format = text("csv"),
	    .size = 77,
	    .request = {one->id, sizeof(one->id)}};

	one->auditor = below(AUDITORS);
	one->idx = h->count;
	one->day = h->now / DAY;
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
	struct history *h = &fold.history;

	for (size_t i = 0; i < h->issued_count; i++)
		if (h->issued[i].kind == kind &&
		    h->issued[i].state != MM_ISSUED_VOID &&
		    same(&h->issued[i], as))
			return &h->issued[i];
	return NULL;
}

static bool
same_device(const struct known_issued *a, const struct known_issued *b)
{
	return a->device == b->device && a->order % 2 == b->order % 2;
}

static bool
same_key(const struct known_issued *a, const struct known_issued *b)
{
	return a->key == b->key;
}

static bool
same_version(const struct known_issued *a, const struct known_issued *b)
{
	return a->device == b->device;
}

/* What exists already is refused by the fold itself, whoever decided. */
static void
issue_something(void)
{
	struct history *h = &fold.history;
	struct known_issued made = {.order = below(ORDERS),
	    .station = below(STATIONS),
	    .device = below(DEVICES),
	    .key = below(KEYS)};
	bool image = below(4) == 0, taken;
	enum mm_error error;

	assert_true(h->issued_count < ISSUED);
	taken = image
		    ? live(MM_ENTRY_IMAGE, same_version, &made) != NULL
		    : live(MM_ENTRY_CERTIFICATE, same_device, &made) != NULL ||
			  live(MM_ENTRY_CERTIFICATE, same_key, &made) != NULL;
	error = image ? apply_image(&made) : apply_device(&made);
	assert_int_equal(error, taken ? MM_E_STORE : MM_OK);
	if (taken)
		return;
	if (!image)
		h->used[made.order]++;
	h->issued[h->issued_count++] = made;
}

static void
settle_something(void)
{
	struct history *h = &fold.history;
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
	fold.history.now += below(3000);
	switch (below(9)) {
	case 0:
		add_station(below(STATIONS), below(3) == 0);
		break;
	case 8:
		add_export();
		break;
	case 1:
		add_refusal();
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

static void
add_genesis(void)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis body = {.origin = text(ORIGIN),
	    .keys = mint.keys,
	    .policy = mint.policy,
	    .text = text("policy 1")};

	body.statements = state((struct says){
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada});
	ok(apply(MM_ENTRY_GENESIS, &body));
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
	    .tbs = make_tbs(made->serial)};

	crypto_hash_sha256(body.key, key->spki.data, key->spki.size);
	made->idx = fold.history.count;
	ok(apply(MM_ENTRY_CERTIFICATE, &body));
	add_signature(made);
}

static void
begin_history(void)
{
	struct history *h = &fold.history;
	struct known_issued root = {0};

	*h = (struct history){.now = NOW};
	ok(mm_index_begin(fold.index));
	add_genesis();
	add_authority(0, &root);
	for (unsigned i = 0; i < ORDERS; i++)
		add_order(i);
	for (unsigned i = 0; i < STATIONS; i++)
		add_station(i, false);
	ok(mm_index_commit(fold.index));
}

/* --- the index against the history --- */

static void
check_issued(const struct known_issued *one, struct mm_arena *arena)
{
	struct history *h = &fold.history;
	struct mm_issued got;
	uint64_t idx;

	ok(mm_index_issued(fold.index, one->idx, arena, &got));
	assert_int_equal(got.idx, one->idx);
	assert_int_equal(got.state, one->state);
	assert_int_equal(got.key[1], one->key);
	if (one->state == MM_ISSUED_SIGNED)
		assert_int_equal(got.signature.data[0], one->signature);
	if (one->kind == MM_ENTRY_IMAGE) {
		assert_true(mm_span_is(got.scheme, "sha256-ecdsa"));
		ok(mm_index_request(
		    fold.index, text("release"), one->id, &idx));
		assert_int_equal(idx, one->idx);
		return;
	}
	assert_int_equal(got.basis, h->orders[one->order]);
	ok(mm_index_serial(fold.index,
	    mm_span(one->serial, sizeof(one->serial)), arena, &got));
	assert_int_equal(got.idx, one->idx);
	ok(mm_index_request(
	    fold.index, named("station", one->station), one->id, &idx));
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
		enum mm_error error = mm_index_device(fold.index,
		    text(profiles[i % 2]), named("dev", i / 2), arena, &got);

		expect_issued(
		    error, &got, live(MM_ENTRY_CERTIFICATE, same_device, &as));
		error = mm_index_image(fold.index, text("lamp"),
		    named("v", i / 2), text("sha256-ecdsa"), arena, &got);
		expect_issued(
		    error, &got, live(MM_ENTRY_IMAGE, same_version, &as));
	}
	for (unsigned i = 0; i < KEYS; i++) {
		struct known_issued as = {.key = i};
		uint8_t key[32];
		enum mm_error error;

		key_of(i, key);
		error = mm_index_key(fold.index, key, arena, &got);
		expect_issued(
		    error, &got, live(MM_ENTRY_CERTIFICATE, same_key, &as));
	}
}

static void
check_orders(struct mm_arena *arena)
{
	struct history *h = &fold.history;

	for (unsigned i = 0; i < ORDERS; i++) {
		struct mm_order_row row;
		struct mm_order_claim claim;
		uint64_t idx;

		ok(mm_index_order(fold.index, named("order", i), arena, &row));
		assert_int_equal(row.idx, h->orders[i]);
		assert_int_equal(row.used, h->used[i]);
		assert_int_equal(row.claim.units, 1000 + i);
		ok(mm_index_order_at(fold.index, row.idx, arena, &claim));
		assert_true(mm_span_equal(claim.name, row.claim.name));
		ok(mm_index_statement(fold.index, h->order_payloads[i], &idx));
		assert_int_equal(idx, h->orders[i]);
	}
}

static uint64_t
issued_on(uint64_t station, uint64_t day)
{
	struct history *h = &fold.history;
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

	ok(mm_index_daily(fold.index, named(what, number), kind, at, &count));
	return count;
}

static uint64_t
exported_on(uint64_t auditor, uint64_t day)
{
	struct history *h = &fold.history;
	uint64_t count = 0;

	for (size_t i = 0; i < h->export_count; i++)
		count += h->exports[i].auditor == auditor &&
			 h->exports[i].day == day;
	return count;
}

static void
check_exports(void)
{
	struct history *h = &fold.history;

	for (size_t i = 0; i < h->export_count; i++) {
		const struct known_export *one = &h->exports[i];
		uint64_t idx;

		ok(mm_index_request(
		    fold.index, named("auditor", one->auditor), one->id, &idx));
		assert_int_equal(idx, one->idx);
	}
	for (uint64_t i = 0; i < AUDITORS; i++)
		for (uint64_t at = NOW; at <= h->now + DAY; at += DAY) {
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
	struct history *h = &fold.history;

	for (unsigned i = 0; i < STATIONS; i++) {
		struct mm_principal by_key, by_name;
		uint8_t key[32];
		uint64_t idx;

		key_of(200 + i, key);
		ok(mm_index_principal(fold.index, key, arena, &by_key));
		ok(mm_index_principal_named(
		    fold.index, named("station", i), arena, &by_name));
		assert_int_equal(by_key.basis, h->stations[i]);
		assert_int_equal(by_name.basis, h->stations[i]);
		assert_int_equal(by_key.disabled, h->disabled[i]);
		assert_int_equal(by_key.daily, 100 + i);
		ok(mm_index_request(
		    fold.index, text("ada"), h->station_ids[i], &idx));
		assert_int_equal(idx, h->stations[i]);
		for (uint64_t at = NOW; at <= h->now + DAY; at += DAY)
			assert_int_equal(
			    daily("station", i, MM_ENTRY_CERTIFICATE, at),
			    issued_on(i, at / DAY));
	}
}

static void
check_unsigned(void)
{
	struct history *h = &fold.history;
	uint64_t from = 0, idx, found, count = 0;

	for (size_t i = 0; i < h->issued_count; i++) {
		if (h->issued[i].state != MM_ISSUED_UNSIGNED)
			continue;
		ok(mm_index_unsigned(fold.index, from, &idx));
		assert_int_equal(idx, h->issued[i].idx);
		from = idx + 1;
		count++;
	}
	assert_int_equal(
	    mm_index_unsigned(fold.index, from, &idx), MM_E_NOT_FOUND);
	ok(mm_index_unsigned_count(fold.index, &found));
	assert_int_equal(found, count);
}

static void
check_authorities(struct mm_arena *arena)
{
	struct mm_issued got;
	struct mm_span entry;
	struct mm_list policies;
	uint64_t idx;

	ok(mm_index_authority(fold.index, text("root"), arena, &got));
	assert_int_equal(got.idx, 1);
	assert_int_equal(got.state, MM_ISSUED_SIGNED);
	assert_int_equal(
	    mm_index_authority(fold.index, text("device-ca"), arena, &got),
	    MM_E_NOT_FOUND);
	ok(mm_index_resting(fold.index, 0, arena, &got));
	assert_int_equal(got.idx, 1);
	ok(mm_index_reference(fold.index, 1, arena, &entry));
	assert_true(mm_span_equal(entry, fold.history.entries[1]));
	assert_int_equal(
	    mm_index_reference(fold.index, 2, arena, &entry), MM_E_NOT_FOUND);
	ok(mm_index_policy(fold.index, &idx));
	assert_int_equal(idx, 0);
	ok(mm_index_policies(fold.index, arena, &policies));
	assert_int_equal(policies.count, 1);
}

static void
check_all(void)
{
	struct history *h = &fold.history;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 16 << 20);
	assert_int_equal(mm_index_size(fold.index), h->count);
	for (size_t i = 0; i < h->issued_count; i++)
		check_issued(&h->issued[i], &arena);
	check_live(&arena);
	check_orders(&arena);
	check_stations(&arena);
	check_exports();
	check_unsigned();
	check_authorities(&arena);
}

/* --- the tests --- */

static void
reopen(bool rebuild)
{
	mm_index_close(fold.index);
	fold.index = NULL;
	ok(mm_index_open(fold.directory, rebuild, &fold.index));
}

static int
set_up(void **unused)
{
	const char *parent = getenv("TMPDIR");

	(void)unused;
	snprintf(fold.directory, sizeof(fold.directory), "%.200s/mm-XXXXXX",
	    parent != NULL ? parent : "/tmp");
	assert_non_null(mkdtemp(fold.directory));
	ok(mm_index_open(fold.directory, false, &fold.index));
	begin_history();
	return 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	mm_index_close(fold.index);
	fold.index = NULL;
	nftw(fold.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void
live_for(int steps)
{
	for (int i = 0; i < steps; i++) {
		ok(mm_index_begin(fold.index));
		for (unsigned n = below(6); n > 0; n--)
			go_on();
		ok(mm_index_commit(fold.index));
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
	reopen(false);
	check_all();
}

static void
apply_again(void)
{
	struct history *h = &fold.history;

	assert_int_equal(mm_index_size(fold.index), 0);
	ok(mm_index_begin(fold.index));
	for (size_t i = 0; i < h->count; i++)
		ok(mm_index_apply(fold.index, h->entries[i]));
	ok(mm_index_commit(fold.index));
	check_all();
}

static void
the_log_alone_brings_it_back(void **unused)
{
	char path[300];

	(void)unused;
	live_for(100);
	reopen(true);
	apply_again();
	mm_index_close(fold.index);
	snprintf(path, sizeof(path), "%s/index.db", fold.directory);
	assert_int_equal(unlink(path), 0);
	ok(mm_index_open(fold.directory, false, &fold.index));
	apply_again();
}

static void
a_rollback_leaves_nothing(void **unused)
{
	static struct history before;

	(void)unused;
	live_for(30);
	for (int i = 0; i < 20; i++) {
		before = fold.history;
		ok(mm_index_begin(fold.index));
		for (int n = 0; n < 5; n++)
			go_on();
		mm_index_rollback(fold.index);
		fold.history = before;
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

	(void)unused;
	live_for(30);
	before = fold.history;
	ok(mm_index_begin(fold.index));
	for (int n = 0; n < 5; n++)
		go_on();
	reopen(false);
	fold.history = before;
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
	ok(mm_index_begin(fold.index));
	/* An order; the root, which is signed; an entry to come. */
	settle(fold.history.orders[0], MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	settle(1, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	settle(fold.history.count, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	ok(apply_device(&one));
	settle(one.idx, MM_OK, MM_E_LOG_WRONG);
	one.device = one.key = 2;
	ok(apply_device(&one));
	add_void(&one);
	settle(one.idx, MM_E_LOG_WRONG, MM_E_LOG_WRONG);
	mm_index_rollback(fold.index);
}

/* The second of two signatures is wrong: the first one is not kept. */
static void
half_an_entry_is_never_committed(void **unused)
{
	struct known_issued one = {.device = 1, .key = 1};
	uint8_t byte = 1;
	struct mm_signature pair[2] = {{0, {&byte, 1}}, {0, {&byte, 1}}};
	struct mm_signatures_entry signatures = {{pair, 2}};
	uint64_t size = mm_index_size(fold.index);

	(void)unused;
	ok(mm_index_begin(fold.index));
	ok(apply_device(&one));
	pair[0].index = one.idx;
	pair[1].index = one.idx + 1;
	assert_int_equal(
	    apply(MM_ENTRY_SIGNATURES, &signatures), MM_E_LOG_WRONG);
	assert_int_equal(mm_index_commit(fold.index), MM_E_STORE);
	mm_index_rollback(fold.index);
	fold.history.count = size;
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
	ok(mm_index_begin(fold.index));
	ok(apply_device(&first));
	assert_int_equal(apply_device(&other), MM_E_STORE);
	fold.history.used[0]++;
	add_void(&first);
	ok(mm_index_order(fold.index, text("order-0"), &arena, &row));
	assert_int_equal(row.used, 0);
	assert_int_equal(daily("station", 0, MM_ENTRY_CERTIFICATE, NOW), 0);
	ok(apply_device(&other));
	ok(mm_index_order(fold.index, text("order-0"), &arena, &row));
	assert_int_equal(row.used, 1);
	mm_index_rollback(fold.index);
}

static void
a_statement_or_a_name_comes_once(void **unused)
{
	struct mm_statement_entry body = {
	    .statements = order_statements("again", 0)};
	struct mm_statement_entry named_alike = {
	    .statements = order_statements("again", 0)};

	(void)unused;
	ok(mm_index_begin(fold.index));
	ok(apply(MM_ENTRY_ORDER, &body));
	assert_int_equal(apply(MM_ENTRY_ORDER, &body), MM_E_STORE);
	mm_index_rollback(fold.index);
	ok(mm_index_begin(fold.index));
	fold.history.count = mm_index_size(fold.index);
	ok(apply(MM_ENTRY_ORDER, &body));
	assert_int_equal(apply(MM_ENTRY_ORDER, &named_alike), MM_E_STORE);
	mm_index_rollback(fold.index);
}

static void
a_statement_is_of_its_entrys_kind(void **unused)
{
	struct mm_statement_entry body = {
	    .statements = order_statements("odd", 0)};
	uint64_t none = 0;
	struct mm_bytes_item junk = {text("junk")};

	(void)unused;
	ok(mm_index_begin(fold.index));
	assert_int_equal(apply(MM_ENTRY_PRINCIPAL, &body), MM_E_LOG_WRONG);
	body.statements = (struct mm_list){&junk, 1};
	assert_int_equal(apply(MM_ENTRY_ORDER, &body), MM_E_STATEMENT);
	assert_int_equal(
	    mm_index_apply(fold.index, mm_span(&none, 8)), MM_E_ENTRY);
	mm_index_rollback(fold.index);
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
	ok(mm_index_begin(fold.index));
	ok(apply(MM_ENTRY_PRINCIPAL, &body));
	ok(mm_index_principal(fold.index, claim.key, &arena, &got));
	assert_true(mm_span_is(got.name, "station-0"));
	assert_int_equal(mm_index_principal(fold.index, former, &arena, &got),
	    MM_E_NOT_FOUND);
	mm_index_rollback(fold.index);
}

/* --- files that are not an index of ours --- */

static void
change_file(const char *statement)
{
	char path[300];
	sqlite3 *db;

	mm_index_close(fold.index);
	fold.index = NULL;
	snprintf(path, sizeof(path), "%s/index.db", fold.directory);
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
		ok(mm_index_open(fold.directory, false, &fold.index));
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

	mm_index_close(fold.index);
	fold.index = NULL;
	memset(junk, 0xa5, sizeof(junk));
	snprintf(path, sizeof(path), "%s/index.db", fold.directory);
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
	ok(mm_index_open(fold.directory, false, &fold.index));
	assert_int_equal(mm_index_size(fold.index), fold.history.count);
	assert_int_equal(
	    mm_index_issued(fold.index, 1, &arena, &got), MM_E_STATE);
	reopen(false);
	apply_again();
	overwrite_table("fold");
	ok(mm_index_open(fold.directory, false, &fold.index));
	apply_again();
}

static void
it_knows_the_log_that_it_follows(void **unused)
{
	struct history *h = &fold.history;

	(void)unused;
	live_for(20);
	assert_true(mm_index_follows(fold.index, h->entries[h->count - 1]));
	assert_false(mm_index_follows(fold.index, h->entries[h->count - 2]));
	ok(mm_index_begin(fold.index));
	go_on();
	mm_index_rollback(fold.index);
	reopen(false);
	h->count = mm_index_size(fold.index);
	assert_true(mm_index_follows(fold.index, h->entries[h->count - 1]));
	ok(mm_index_begin(fold.index));
	ok(mm_index_commit(fold.index));
	assert_true(mm_index_follows(fold.index, h->entries[h->count - 1]));
	ok(mm_index_anew(fold.index));
	assert_int_equal(mm_index_size(fold.index), 0);
}

/* What a later version has logged is never passed over. */
static void
what_it_cannot_obey_is_refused(void **unused)
{
	struct mm_key_entry key = {.name = text("codesign"),
	    .use = MM_KEY_CODE_SIGNING,
	    .spki = text("spki"),
	    .retired = true};
	struct mm_crl_entry crl = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = NOW,
	    .next_update = NOW + DAY,
	    .tbs = text("tbs")};
	struct mm_statement_entry revocation = {
	    .statements = order_statements("odd", 1)};
	const struct {
		uint64_t kind;
		const void *body;
		const char *name;
	} later[] = {{MM_ENTRY_KEY, &key, "key"}, {MM_ENTRY_CRL, &crl, "crl"},
	    {MM_ENTRY_REVOCATION, &revocation, "revocation"}};

	(void)unused;
	key.statements = revocation.statements;
	for (size_t i = 0; i < MM_COUNT(later); i++) {
		ok(mm_index_begin(fold.index));
		assert_int_equal(
		    apply(later[i].kind, later[i].body), MM_E_STATE);
		assert_non_null(strstr(mm_why(MM_E_STATE), later[i].name));
		mm_index_rollback(fold.index);
	}
	check_all();
}

static void
what_is_no_database_is_made_anew(void **unused)
{
	char path[300];

	(void)unused;
	mm_index_close(fold.index);
	fold.index = NULL;
	snprintf(path, sizeof(path), "%s/index.db", fold.directory);
	write_text(path,
	    "this is a text of more than a few characters, and "
	    "no database whatever anybody may say about it; it "
	    "has more than a hundred bytes",
	    0600);
	ok(mm_index_open(fold.directory, false, &fold.index));
	apply_again();
}

/* The parts of a mint that a log's entries need, and no token. */
static int
make_half_a_mint(void **unused)
{
	struct mm_genesis_key keys[MM_COUNT(ceremony_keys)];

	(void)unused;
	assert_true(sodium_init() >= 0);
	mm_arena_init(&mint.arena, 256 << 20);
	make_signer(&mint.ada);
	make_signer(&mint.bob);
	mint.policy = make_policy(1, &mint.ada, &mint.bob);
	mm_policy_digest(mint.policy, mint.policy_digest);
	for (size_t i = 0; i < MM_COUNT(keys); i++)
		keys[i] = (struct mm_genesis_key){
		    ceremony_keys[i].name, ceremony_keys[i].use, make_spki()};
	mint.keys = (struct mm_list){keep(keys, sizeof(keys)), MM_COUNT(keys)};
	return 0;
}

static int
drop_half_a_mint(void **unused)
{
	(void)unused;
	mm_arena_clear(&mint.arena);
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
	    TEST(what_it_cannot_obey_is_refused),
	    TEST(it_knows_the_log_that_it_follows),
	    TEST(another_version_is_made_anew),
	    TEST(what_is_no_database_is_made_anew),
	    TEST(what_is_damaged_is_gone_after_closing),
	};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
