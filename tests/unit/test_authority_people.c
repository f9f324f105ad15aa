/*
 * What people state: two officers are wanted for everything, so statements
 * are gathered, come into force, are withdrawn, or end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/two_officers.h"

enum { PENDING_PRINCIPAL_MAX = 100 };

static struct mm_order_claim
an_order(const char *name)
{
	return (struct mm_order_claim){.name = text(name),
	    .profile = text("device"),
	    .units = 10,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};
}

static struct mm_list
order_by_both(const char *name)
{
	struct mm_order_claim order = an_order(name);

	return both(MM_STATEMENT_ORDER, &order);
}

static struct mm_withdraw_claim
withdrawing(struct mm_list statements)
{
	struct mm_withdraw_claim claim;
	struct mm_statement statement;

	ok(mm_statement_decode(
	    mm_list_at(statements, struct mm_bytes_item, 0)->value,
	    &statement));
	crypto_hash_sha256(
	    claim.payload, statement.payload.data, statement.payload.size);
	return claim;
}

/* One officer may. */
static struct mm_list
withdrawal(struct mm_list statements)
{
	struct mm_withdraw_claim claim = withdrawing(statements);

	return only(both(MM_STATEMENT_WITHDRAW, &claim), 1);
}

static struct mm_pending_answer
list_pending(uint8_t id, struct mm_span payload, struct mm_span after)
{
	struct mm_pending_request request = {payload, after};
	struct mm_pending_answer got;
	struct mm_envelope envelope;

	ask(box.auditor_key, MM_MESSAGE_PENDING, id, &mm_pending_request_shape,
	    &request);
	envelope = await(id);
	assert_int_equal(envelope.type, MM_MESSAGE_PENDING);
	ok(mm_shape_decode(
	    &mm_pending_answer_shape, envelope.body, &mint.arena, &got));
	return got;
}

static struct mm_pending_answer
list_all(uint8_t id)
{
	return list_pending(id, mm_span(NULL, 0), mm_span(NULL, 0));
}

static const struct mm_pending_row *
row_at(const struct mm_pending_answer *answer, size_t i)
{
	return mm_list_at(answer->rows, struct mm_pending_row, i);
}

/* --- gathering --- */

static void
two_officers_bring_it_into_force(void **unused)
{
	struct mm_list order = order_by_both("two");
	struct mm_statement_answer first, second;
	struct mm_statement_entry body;
	struct mm_entry entry;

	(void)unused;
	bring(1, only(order, 0));
	first = await_stated(1);
	assert_int_equal(first.missing, 1);
	assert_int_equal(logged(MM_ENTRY_PENDING), 1);
	assert_int_equal(logged(MM_ENTRY_ORDER), 0);
	bring(2, only(order, 1));
	second = await_stated(2);
	assert_int_equal(second.missing, 0);
	assert_true(second.index > first.index);
	ok(mm_entry_decode_as(mint.log.entries[second.index], MM_ENTRY_ORDER,
	    &mint.arena, &entry, &body));
	assert_int_equal(body.statements.count, 2);
	assert_int_equal(list_all(3).rows.count, 0);
}

static void
both_at_once_wait_for_nobody(void **unused)
{
	(void)unused;
	in_force(1, order_by_both("at-once"));
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
}

static void
what_is_pending_is_not_in_force(void **unused)
{
	struct mm_issue_ask issue = {.order = text("waiting"),
	    .profile = text("device"),
	    .device = text("dev-1"),
	    .spki = make_spki()};

	(void)unused;
	bring(1, only(order_by_both("waiting"), 0));
	assert_int_equal(await_stated(1).missing, 1);
	ask(box.station_key, MM_MESSAGE_ISSUE, 2, &mm_issue_ask_shape, &issue);
	await_error(2, MM_E_ORDER);
}

static void
an_approval_twice_adds_nothing(void **unused)
{
	struct mm_list order = order_by_both("again");
	struct mm_statement_answer first, again;

	(void)unused;
	bring(1, only(order, 1));
	first = await_stated(1);
	/* The same request, and another with the same bytes. */
	bring(1, only(order, 1));
	again = await_stated(1);
	assert_int_equal(again.index, first.index);
	assert_int_equal(again.missing, 1);
	bring(2, only(order, 1));
	again = await_stated(2);
	assert_int_equal(again.index, first.index);
	assert_int_equal(again.missing, 1);
	assert_int_equal(logged(MM_ENTRY_PENDING), 1);
}

/* Whoever asks again by the first one's id learns what has become of it. */
static void
the_first_request_is_answered_with_the_newest(void **unused)
{
	struct mm_list order = order_by_both("newest");
	struct mm_statement_answer second, again;

	(void)unused;
	bring(1, only(order, 0));
	assert_int_equal(await_stated(1).missing, 1);
	bring(2, only(order, 1));
	second = await_stated(2);
	bring(1, only(order, 0));
	again = await_stated(1);
	assert_int_equal(again.index, second.index);
	assert_int_equal(again.missing, 0);
	bring(3, only(order, 0));
	await_error(3, MM_E_STATEMENT_REPLAY);
	bring(1, only(order_by_both("other"), 0));
	await_error(1, MM_E_REQUEST_REUSED);
	bring(2, only(order_by_both("other"), 0));
	await_error(2, MM_E_REQUEST_REUSED);
	/* Nor is it the id of what waits by another request. */
	order = order_by_both("third");
	bring(4, only(order, 0));
	assert_int_equal(await_stated(4).missing, 1);
	bring(1, only(order, 0));
	await_error(1, MM_E_REQUEST_REUSED);
}

static void
one_officer_counts_once(void **unused)
{
	struct mm_list order = order_by_both("once");
	struct mm_bytes_item twice[] = {
	    *mm_list_at(order, struct mm_bytes_item, 0),
	    *mm_list_at(order, struct mm_bytes_item, 0)};

	(void)unused;
	bring(1, (struct mm_list){twice, 2});
	await_error(1, MM_E_STATEMENT_FEW);
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->reason, "statement-too-few"));
}

/* Of several statements each has to be good. */
static void
a_stranger_among_officers_is_refused(void **unused)
{
	struct mm_order_claim claim = an_order("stranger");
	struct mm_list order = state((struct says){.kind = MM_STATEMENT_ORDER,
	    .body = &claim,
	    .by = &mint.eve,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = box.moment + DAY});

	(void)unused;
	bring(1, order);
	await_error(1, MM_E_STATEMENT_OFFICER);
	bring(2, only(order, 0));
	await_error(2, MM_E_STATEMENT_OFFICER);
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
	bring(3, only(order, 1));
	assert_int_equal(await_stated(3).missing, 1);
	bring(4, only(order, 0));
	await_error(4, MM_E_STATEMENT_OFFICER);
	assert_int_equal(logged(MM_ENTRY_PENDING), 1);
}

static void
what_can_never_be_does_not_wait(void **unused)
{
	struct mm_order_claim claim = an_order("order");
	struct mm_list order;

	(void)unused;
	bring(1, only(both(MM_STATEMENT_ORDER, &claim), 0));
	await_error(1, MM_E_NAME_TAKEN);
	claim = an_order("elsewhere");
	claim.stations = TEXTS("officer");
	bring(2, only(both(MM_STATEMENT_ORDER, &claim), 0));
	await_error(2, MM_E_PRINCIPAL);
	claim.stations = TEXTS("nobody");
	order = both(MM_STATEMENT_ORDER, &claim);
	bring(3, only(order, 0));
	await_error(3, MM_E_PRINCIPAL);
	bring_with(4, only(order_by_both("with-csr"), 0), make_spki());
	await_error(4, MM_E_STATEMENT_DIFFERS);
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
}

/* What could be when it was brought may not be any more. */
static void
it_is_checked_again_at_the_end(void **unused)
{
	struct mm_list first = order_by_both("race"),
		       second = order_by_both("race");

	(void)unused;
	bring(1, only(first, 0));
	assert_int_equal(await_stated(1).missing, 1);
	in_force(2, second);
	bring(3, only(first, 1));
	await_error(3, MM_E_NAME_TAKEN);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
}

static void
the_end_of_a_statement(void **unused)
{
	struct mm_order_claim claim = an_order("short");
	uint64_t end = (uint64_t)time(NULL) + 2;
	struct mm_list order = state((struct says){.kind = MM_STATEMENT_ORDER,
	    .body = &claim,
	    .by = &mint.ada,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = end});

	(void)unused;
	bring(1, only(order, 0));
	assert_int_equal(await_stated(1).missing, 1);
	assert_int_equal(list_all(2).rows.count, 1);
	while ((uint64_t)time(NULL) <= end)
		turn(QUIET_MS);
	bring(3, only(order, 1));
	await_error(3, MM_E_STATEMENT_TIME);
	assert_int_equal(list_all(4).rows.count, 0);
	assert_int_equal(logged(MM_ENTRY_ORDER), 0);
}

/* DESIGN.md section 3: it is in the log, so it is there after a crash. */
static void
a_crash_between_approvals(void **unused)
{
	struct mm_list order = order_by_both("crash");

	(void)unused;
	bring(1, only(order, 0));
	assert_int_equal(await_stated(1).missing, 1);
	crash();
	spawn();
	until(is_serving);
	until_quiet();
	assert_int_equal(list_all(2).rows.count, 1);
	bring(3, only(order, 1));
	assert_int_equal(await_stated(3).missing, 0);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
}

/* --- withdrawing --- */

static void
what_is_withdrawn_never_comes_back(void **unused)
{
	struct mm_list order = order_by_both("withdrawn");
	struct mm_withdraw_claim claim = withdrawing(order);

	(void)unused;
	bring(1, withdrawal(order));
	await_error(1, MM_E_NOT_FOUND);
	bring(2, only(order, 0));
	assert_int_equal(await_stated(2).missing, 1);
	in_force(3, withdrawal(order));
	assert_int_equal(logged(MM_ENTRY_WITHDRAWAL), 1);
	assert_int_equal(list_all(4).rows.count, 0);
	bring(5, only(order, 1));
	await_error(5, MM_E_STATEMENT_WITHDRAWN);
	bring(6, order);
	await_error(6, MM_E_STATEMENT_WITHDRAWN);
	bring(7, withdrawal(order));
	await_error(7, MM_E_STATEMENT_WITHDRAWN);
	/* By its id, too. */
	bring(2, only(order, 0));
	await_error(2, MM_E_STATEMENT_WITHDRAWN);
	ask(box.officer_key, MM_MESSAGE_PENDING, 8, &mm_pending_request_shape,
	    &(struct mm_pending_request){
		.payload = mm_span(claim.payload, sizeof(claim.payload))});
	await_error(8, MM_E_NOT_FOUND);
	assert_int_equal(logged(MM_ENTRY_ORDER), 0);
}

static void
what_is_in_force_is_not_withdrawn(void **unused)
{
	struct mm_list order = order_by_both("in-force");

	(void)unused;
	bring(1, only(order, 0));
	await_stated(1);
	in_force(2, only(order, 1));
	bring(3, withdrawal(order));
	await_error(3, MM_E_NOT_FOUND);
	assert_int_equal(logged(MM_ENTRY_WITHDRAWAL), 0);
}

/* --- the list --- */

static void
the_list_says_who_and_what(void **unused)
{
	struct mm_list order = order_by_both("listed");
	struct mm_withdraw_claim claim = withdrawing(order);
	struct mm_span payload = mm_span(claim.payload, sizeof(claim.payload));
	struct mm_pending_answer got;
	struct mm_statement_answer stated;

	(void)unused;
	bring(1, only(order, 1));
	stated = await_stated(1);
	got = list_pending(2, payload, mm_span(NULL, 0));
	assert_int_equal(got.rows.count, 1);
	assert_memory_equal(row_at(&got, 0)->payload, payload.data, 32);
	assert_int_equal(row_at(&got, 0)->kind, MM_STATEMENT_ORDER);
	assert_int_equal(row_at(&got, 0)->index, stated.index);
	assert_int_equal(row_at(&got, 0)->time, box.moment);
	assert_int_equal(row_at(&got, 0)->expiry, box.moment + DAY);
	assert_int_equal(row_at(&got, 0)->missing, 1);
	assert_int_equal(row_at(&got, 0)->officers.count, 1);
	assert_true(mm_span_is(
	    mm_list_at(row_at(&got, 0)->officers, struct mm_text_item, 0)
		->value,
	    "bob"));
	assert_true(mm_span_is(row_at(&got, 0)->subject, "listed"));
}

struct subject {
	uint64_t kind;
	const void *body;
	const char *text;
};

static void
bring_subject(uint8_t id, const struct subject *subject)
{
	struct mm_list statements = both(subject->kind, subject->body);
	struct mm_withdraw_claim claim = withdrawing(statements);
	struct mm_pending_answer got;

	bring(id, only(statements, 0));
	assert_int_equal(await_stated(id).missing, 1);
	got = list_pending(id, mm_span(claim.payload, sizeof(claim.payload)),
	    mm_span(NULL, 0));
	assert_true(mm_span_is(row_at(&got, 0)->subject, subject->text));
}

static void
every_kind_has_a_subject(void **unused)
{
	struct mm_order_claim order = an_order("order");
	struct mm_scheme_digest digest = {text("sha256-ecdsa"), {0}};
	struct mm_release_claim release = {.product = text("lamp"),
	    .version = text("1.2.0"),
	    .size = 5,
	    .schemes = {&digest, 1}};
	struct mm_principal_claim principal = {
	    .name = text("line-3"), .role = MM_ROLE_AUDITOR, .key = {7}};
	const struct subject subjects[] = {
	    {MM_STATEMENT_ORDER, &order, "order revision 1"},
	    {MM_STATEMENT_RELEASE, &release, "lamp 1.2.0"},
	    {MM_STATEMENT_PRINCIPAL, &principal, "line-3"}};

	(void)unused;
	order.revision = 1;
	for (size_t i = 0; i < MM_COUNT(subjects); i++)
		bring_subject((uint8_t)(i + 1), &subjects[i]);
}

/* --- how much may wait --- */

static void
a_principal_has_so_many(void **unused)
{
	struct mm_list first = order_by_both("n-0"), last = {NULL, 0};
	struct mm_pending_answer page;
	const struct mm_pending_row *end;
	char name[16];

	(void)unused;
	bring(1, only(first, 0));
	await_stated(1);
	for (uint8_t i = 1; i < PENDING_PRINCIPAL_MAX; i++) {
		snprintf(name, sizeof(name), "n-%d", i);
		bring((uint8_t)(i + 1), only(order_by_both(name), 0));
		assert_int_equal(await_stated((uint8_t)(i + 1)).missing, 1);
	}
	last = order_by_both("n-last");
	bring(120, only(last, 0));
	await_error(120, MM_E_PENDING_FULL);
	/* Two pages, without a gap. */
	page = list_all(121);
	assert_int_equal(page.rows.count, MM_ROWS_MAX);
	end = row_at(&page, MM_ROWS_MAX - 1);
	page = list_pending(122, mm_span(NULL, 0), mm_span(end->payload, 32));
	assert_int_equal(page.rows.count, PENDING_PRINCIPAL_MAX - MM_ROWS_MAX);
	assert_true(memcmp(end->payload, row_at(&page, 0)->payload, 32) < 0);
	/* What waits may be approved, or withdrawn, and makes room. */
	in_force(123, only(first, 1));
	bring(124, only(last, 0));
	assert_int_equal(await_stated(124).missing, 1);
}

/* Statements as long as they may be, of both officers in one entry. */
static void
the_longest_order_waits_and_comes(void **unused)
{
	struct mm_order_claim order = an_order("long");
	struct mm_text_item devices[240] = {0};
	struct mm_list statements;

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(devices); i++) {
		char name[65];

		snprintf(name, sizeof(name), "%064zu", i);
		devices[i].value = mm_span(keep(name, 64), 64);
	}
	order.devices =
	    (struct mm_devices){.list = {devices, MM_COUNT(devices)}};
	statements = both(MM_STATEMENT_ORDER, &order);
	bring(1, only(statements, 0));
	assert_int_equal(await_stated(1).missing, 1);
	in_force(2, only(statements, 1));
}

/* --- orders --- */

static void
an_order_is_revised(void **unused)
{
	struct mm_order_claim order = an_order("revised");

	(void)unused;
	in_force(1, both(MM_STATEMENT_ORDER, &order));
	order.revision = 2;
	bring(2, both(MM_STATEMENT_ORDER, &order));
	await_error(2, MM_E_STATEMENT_DIFFERS);
	order.revision = 1;
	order.units = 20;
	in_force(3, both(MM_STATEMENT_ORDER, &order));
	/* The same revision is given once. */
	bring(4, both(MM_STATEMENT_ORDER, &order));
	await_error(4, MM_E_STATEMENT_DIFFERS);
	/* Closing does not ask for the stations. */
	order.revision = 2;
	order.closed = true;
	order.stations = TEXTS("gone");
	in_force(5, both(MM_STATEMENT_ORDER, &order));
	order.revision = 3;
	order.closed = false;
	bring(6, both(MM_STATEMENT_ORDER, &order));
	await_error(6, MM_E_PRINCIPAL);
	order = an_order("never");
	order.revision = 1;
	bring(7, both(MM_STATEMENT_ORDER, &order));
	await_error(7, MM_E_ORDER);
}

/* --- principals --- */

static struct mm_list
principal_by_both(
    const char *name, uint64_t role, struct mm_span spki, bool disabled)
{
	struct mm_principal_claim claim = {
	    .name = text(name), .role = role, .disabled = disabled};

	digest_of(spki, claim.key);
	return both(MM_STATEMENT_PRINCIPAL, &claim);
}

static void
the_last_officer_gets_the_certificate(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_list statements =
	    principal_by_both("line-3", MM_ROLE_AUDITOR, spki, false);
	struct mm_statement_answer first, second, again;

	(void)unused;
	bring_with(1, only(statements, 0), spki);
	first = await_stated(1);
	assert_int_equal(first.missing, 1);
	assert_int_equal(first.certificate.size, 0);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 1); /* ours */
	/* Another CSR than the one that waits. */
	bring_with(2, only(statements, 1), make_spki());
	await_error(2, MM_E_STATEMENT_DIFFERS);
	bring(3, only(statements, 1));
	second = await_stated(3);
	assert_int_equal(second.missing, 0);
	assert_true(second.certificate.size > 0);
	bring(3, only(statements, 1));
	again = await_stated(3);
	assert_true(mm_span_equal(second.certificate, again.certificate));
	bring_with(1, only(statements, 0), spki);
	again = await_stated(1);
	assert_int_equal(again.index, second.index);
	assert_true(mm_span_equal(second.certificate, again.certificate));
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
}

static void
a_csr_may_come_with_the_approval(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_list statements =
	    principal_by_both("late", MM_ROLE_AUDITOR, spki, false);

	(void)unused;
	bring(1, only(statements, 0));
	assert_int_equal(await_stated(1).missing, 1);
	bring_with(2, only(statements, 1), spki);
	assert_true(await_stated(2).certificate.size > 0);
}

static void
another_role_and_back(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	in_force(1, principal_by_both("moved", MM_ROLE_AUDITOR, spki, false));
	in_force(2, principal_by_both("moved", MM_ROLE_RELEASE, spki, true));
	ask(spki, MM_MESSAGE_STATUS, 3, &mm_nothing_shape,
	    &(struct mm_nothing){0});
	await_error(3, MM_E_PRINCIPAL);
	in_force(4, principal_by_both("moved", MM_ROLE_RELEASE, spki, false));
	ask(spki, MM_MESSAGE_STATUS, 5, &mm_nothing_shape,
	    &(struct mm_nothing){0});
	assert_int_equal(await(5).type, MM_MESSAGE_STATUS);
}

static void
a_key_is_one_principals(void **unused)
{
	(void)unused;
	bring(1, principal_by_both(
		     "double", MM_ROLE_AUDITOR, box.station_key, false));
	await_error(1, MM_E_KEY_USED);
	bring(2,
	    principal_by_both("own", MM_ROLE_AUDITOR,
		mm_list_at(mint.keys, struct mm_genesis_key, 0)->spki, false));
	await_error(2, MM_E_KEY_USED);
	bring(
	    3, principal_by_both("nobody", MM_ROLE_AUDITOR, make_spki(), true));
	await_error(3, MM_E_NOT_FOUND);
}

static void
the_last_officer_stays(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	bring(1, principal_by_both(
		     "officer", MM_ROLE_OFFICER, box.officer_key, true));
	await_error(1, MM_E_LOCK_OUT);
	bring(2, principal_by_both(
		     "officer", MM_ROLE_AUDITOR, box.officer_key, false));
	await_error(2, MM_E_LOCK_OUT);
	in_force(3, principal_by_both("deputy", MM_ROLE_OFFICER, spki, false));
	in_force(4, principal_by_both(
			"officer", MM_ROLE_OFFICER, box.officer_key, true));
	bring(5, order_by_both("too-late"));
	await_error(5, MM_E_PRINCIPAL);
}

/* --- revocations --- */

static struct mm_list
revocation(const struct mm_revoked *list, size_t count)
{
	struct mm_revoke_claim claim = {{list, count}};

	return both(MM_STATEMENT_REVOKE, &claim);
}

static struct mm_span
serial_of(struct mm_span tbs)
{
	uint8_t serial[MM_SERIAL_SIZE];

	ok(mm_serial_of_tbs(tbs, serial));
	return mm_span(keep(serial, sizeof(serial)), sizeof(serial));
}

static struct mm_span
issue_one(uint8_t id, const char *device)
{
	mm_auto(buffer) tbs = {0};
	struct mm_span serial;

	ask_issue(id, device, make_spki());
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	ok(mm_certificate_tbs(await_certificate(id).certificate, &tbs));
	serial = serial_of(mm_buffer_span(&tbs));
	return serial;
}

static void
certificates_are_revoked_once(void **unused)
{
	struct mm_revoked list[] = {{.serial = issue_one(1, "dev-1")},
	    {.serial = issue_one(2, "dev-2"), .reason = 1}};

	(void)unused;
	bring(3, only(revocation(list, 2), 0));
	assert_int_equal(await_stated(3).missing, 1);
	assert_true(mm_span_is(
	    row_at(&(struct mm_pending_answer){list_all(4).rows}, 0)->subject,
	    "2 certificates"));
	in_force(5, revocation(list, 2));
	assert_int_equal(logged(MM_ENTRY_REVOCATION), 1);
	bring(6, revocation(list + 1, 1));
	await_error(6, MM_E_REVOKED);
}

static void
what_is_not_revoked(void **unused)
{
	struct mm_span serial = issue_one(1, "dev-1");
	struct mm_revoked twice[] = {{.serial = serial}, {.serial = serial}};
	struct mm_revoked unknown = {.serial = text("nobody's")};
	struct mm_revoked root = {.serial = serial_of(box.cas[0])};
	struct mm_revoked ca = {.serial = serial_of(box.cas[1])};

	(void)unused;
	bring(2, revocation(twice, 2));
	await_error(2, MM_E_STATEMENT);
	bring(3, revocation(&unknown, 1));
	await_error(3, MM_E_NOT_FOUND);
	bring(4, revocation(&root, 1));
	await_error(4, MM_E_STATEMENT);
	in_force(5, revocation(&ca, 1));
}

/* --- releases --- */

static struct mm_list
release_by_both(const char *product, const char *scheme, uint64_t size)
{
	struct mm_scheme_digest digest = {text(scheme), {0}};
	struct mm_release_claim release = {.product = text(product),
	    .version = text("1"),
	    .size = size,
	    .schemes = {&digest, 1}};

	return both(MM_STATEMENT_RELEASE, &release);
}

static void
releases_are_of_the_policys_products(void **unused)
{
	(void)unused;
	bring(1, release_by_both("toaster", "sha256-ecdsa", 5));
	await_error(1, MM_E_PRODUCT);
	bring(2, release_by_both("lamp", "sha1-rsa", 5));
	await_error(2, MM_E_SCHEME);
	bring(3, release_by_both("lamp", "sha256-ecdsa", 1048577));
	await_error(3, MM_E_IMAGE_SIZE);
	in_force(4, release_by_both("lamp", "sha256-ecdsa", 1048576));
	assert_int_equal(logged(MM_ENTRY_RELEASE), 1);
	/* Nothing is signed yet: the newest approval counts. */
	in_force(5, release_by_both("lamp", "sha256-ecdsa", 6));
}

static void
a_scheme_is_named_once(void **unused)
{
	struct mm_scheme_digest digests[] = {
	    {text("sha256-ecdsa"), {0}}, {text("sha256-ecdsa"), {2}}};
	struct mm_release_claim release = {.product = text("lamp"),
	    .version = text("1"),
	    .size = 5,
	    .schemes = {digests, 2}};

	(void)unused;
	bring(1, both(MM_STATEMENT_RELEASE, &release));
	await_error(1, MM_E_STATEMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(two_officers_bring_it_into_force),
	    TEST(both_at_once_wait_for_nobody),
	    TEST(what_is_pending_is_not_in_force),
	    TEST(an_approval_twice_adds_nothing),
	    TEST(the_first_request_is_answered_with_the_newest),
	    TEST(one_officer_counts_once),
	    TEST(a_stranger_among_officers_is_refused),
	    TEST(what_can_never_be_does_not_wait),
	    TEST(it_is_checked_again_at_the_end),
	    TEST(the_end_of_a_statement),
	    TEST(a_crash_between_approvals),
	    TEST(what_is_withdrawn_never_comes_back),
	    TEST(what_is_in_force_is_not_withdrawn),
	    TEST(the_list_says_who_and_what),
	    TEST(every_kind_has_a_subject),
	    TEST(a_principal_has_so_many),
	    TEST(the_longest_order_waits_and_comes),
	    TEST(an_order_is_revised),
	    TEST(the_last_officer_gets_the_certificate),
	    TEST(a_csr_may_come_with_the_approval),
	    TEST(another_role_and_back),
	    TEST(a_key_is_one_principals),
	    TEST(the_last_officer_stays),
	    TEST(certificates_are_revoked_once),
	    TEST(what_is_not_revoked),
	    TEST(releases_are_of_the_policys_products),
	    TEST(a_scheme_is_named_once),
	};

	return cmocka_run_group_tests(tests, make_strict_world, drop_world);
}
